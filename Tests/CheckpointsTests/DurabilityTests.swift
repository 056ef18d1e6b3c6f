import Foundation
import Glibc
import Synchronization
import Testing

import Checkpoints

/// Names are given to what is on the disk, and nothing older is removed before the name is, too: seen from the order of
/// the system calls, which is all that a power failure leaves of them.
@Suite struct DurabilityTests {
  private enum Event: Equatable {
    case written(String)
    case synced(String)
    case renamed(String, to: String)
    case removed(String)
  }

  /// Calls that note what they do; files by their paths.
  private final class Journal: Sendable {
    private let noted = Mutex<[Event]>([])

    var events: [Event] { noted.withLock { $0 } }

    private func note(_ event: Event) { noted.withLock { $0.append(event) } }

    private static func path(_ descriptor: Int32) -> String {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) ?? ""
    }

    func calls() -> SystemCalls {
      var calls = SystemCalls()
      calls.write = { [self] in
        note(.written(Self.path($0)))
        return pwrite($0, $1, $2, $3)
      }
      calls.sync = { [self] in
        note(.synced(Self.path($0)))
        return fsync($0)
      }
      calls.rename = { [self] in
        note(.renamed($0, to: $1))
        return Glibc.rename($0, $1)
      }
      calls.remove = { [self] in
        note(.removed($0))
        return Glibc.remove($0)
      }
      return calls
    }
  }

  /// A temporary folder by the name that the system tells of it.
  private func withFolder(_ body: (String) throws -> Void) throws {
    try withTemporaryFolder {
      try body(URL(fileURLWithPath: $0).resolvingSymlinksInPath().path)
    }
  }

  /// The place of the last event of a kind before `end`, or −1.
  private func last(_ events: [Event], before end: Int, where isWanted: (Event) -> Bool) -> Int {
    events[..<end].lastIndex(where: isWanted) ?? -1
  }

  @Test(arguments: [300, 1_500_000]) func aCheckpointIsOnTheDiskBeforeItsNameAndItsNameBeforeOthersGo(
    elements: Int
  ) throws {
    try withFolder { folder in
      let checkpoints = folder + "/checkpoints"
      let lock = try RunLock(folder: folder)
      let old = try CheckpointStore(checkpoints, lock: lock)
      for step in 1...3 { try save(step, in: old) }
      let journal = Journal()
      let store = try CheckpointStore(checkpoints, lock: lock, calls: journal.calls())
      // One that is there already is replaced; two older ones need not stay.
      try save(3, in: store, elements: elements)
      try save(4, in: store, elements: elements)
      let events = journal.events
      for step in 3...4 {
        let draft = "\(checkpoints)/step-\(step).tmp"
        let named = try #require(
          events.firstIndex(of: .renamed(draft, to: "\(checkpoints)/step-\(step)")), "\(events)")
        for name in ["model.safetensors", "training.json", "manifest.json"] {
          let written = last(events, before: named) { $0 == .written("\(draft)/\(name)") }
          let synced = last(events, before: named) { $0 == .synced("\(draft)/\(name)") }
          #expect(written >= 0 && synced > written, "\(name): \(events)")
          #expect(last(events, before: named) { $0 == .synced(draft) } > synced, "\(events)")
        }
        let after = events[named...]
        let synced = try #require(after.firstIndex(of: .synced(checkpoints)), "\(events)")
        let removed = after.firstIndex {
          if case .removed = $0 { true } else { false }
        }
        #expect(try #require(removed) > synced, "\(events)")
      }
    }
  }

  @Test func aFileIsOnTheDiskBeforeItsNameAndThenItsName() throws {
    try withFolder { folder in
      let journal = Journal()
      try atomicWrite([1, 2], to: folder + "/f", calls: journal.calls())
      let path = folder + "/f.tmp"
      #expect(
        journal.events == [
          .written(path), .synced(path), .renamed(path, to: folder + "/f"), .synced(folder),
        ])
    }
  }

  @Test func newFoldersAreOnTheDiskAsEntriesOfThoseAboveThem() throws {
    try withFolder { folder in
      let journal = Journal()
      let lock = try RunLock(folder: folder)
      _ = try CheckpointStore(folder + "/a/b/c", lock: lock, calls: journal.calls())
      #expect(journal.events == [.synced(folder), .synced(folder + "/a"), .synced(folder + "/a/b")])
    }
  }
}
