import Checkpoints
import Foundation

/// The checkpoints of a run's folder as `lockstep inspect` shows them: each with its size and time, whether it is whole,
/// and why it stays.
public struct CheckpointListing {
  struct Entry {
    let step: Int
    /// Why it is damaged, or nil.
    let failure: String?
    let bytes: Int
    let written: Date?
    var marks: [String] = []
  }

  let entries: [Entry]

  /// Reads every checkpoint through.
  public init(ofRun path: String) throws(CheckpointError) {
    let store = CheckpointStore(reading: path + "/checkpoints")
    let steps = try store.list()
    let milestones =
      (try? RunConfiguration.load(path + "/config.yaml"))?.checkpoint.retention.milestones(among: steps) ?? []
    var newest: Checkpoint?
    var entries: [Entry] = []
    for step in steps {
      do {
        let checkpoint = try store.verify(step)
        newest = checkpoint
        entries.append(
          Entry(
            step: step, failure: nil, bytes: checkpoint.files.reduce(0) { $0 + $1.size },
            written: Self.written(checkpoint)))
      } catch {
        entries.append(Entry(step: step, failure: "\(error)", bytes: 0, written: nil))
      }
    }
    // Where a later validation was better, the newest knows.
    let state = newest.flatMap {
      try? RunState($0.bytes(of: RunState.name), at: "\($0.folder)/\(RunState.name)")
    }
    for index in entries.indices {
      if entries[index].step == newest?.step { entries[index].marks.append("newest") }
      if entries[index].step == state?.best?.step { entries[index].marks.append("best") }
      if milestones.contains(entries[index].step) { entries[index].marks.append("kept for good") }
    }
    self.entries = entries
  }

  /// When its last file was finished.
  private static func written(_ checkpoint: Checkpoint) -> Date? {
    let path = "\(checkpoint.folder)/\(CheckpointManifest.fileName)"
    return (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date
  }

  public var isEmpty: Bool { entries.isEmpty }

  /// Two lines or more, the last without a line end; empty where there is no checkpoint.
  public var text: String {
    guard !isEmpty else { return "" }
    let names = entries.map { "step-\($0.step)" }
    let width = names.map(\.count).max() ?? 0
    let lines = zip(names, entries).map { name, entry in
      let start = "  " + name.padding(toLength: width, withPad: " ", startingAt: 0) + "  "
      if let failure = entry.failure { return start + "damaged: \(failure)" }
      var parts = ["whole", "\(NumberText.grouped(Double(entry.bytes))) bytes"]
      if let written = entry.written { parts.append(written.formatted(.iso8601)) }
      return start + (parts + entry.marks).joined(separator: ", ")
    }
    return (["checkpoints"] + lines).joined(separator: "\n")
  }
}
