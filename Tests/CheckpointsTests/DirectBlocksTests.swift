import Glibc
import Synchronization
import TensorCore
import Testing

import Checkpoints

/// Large files go past the system's page cache, with the same bytes as any other way.
@Suite struct DirectBlocksTests {
  private static let tensors = [
    Sample(random: "first", shape: [700_001]), Sample(random: "second", shape: [3]),
    Sample(random: "third", shape: [612_345]),
  ]

  /// Calls that count the bytes which have gone past the cache, and hand `EINVAL` back for them where a disk is to refuse.
  private final class Disk: Sendable {
    let direct = Mutex(0)

    func calls(refusing: Bool = false) -> SystemCalls {
      var calls = SystemCalls()
      calls.write = { [self] descriptor, bytes, count, offset in
        if fcntl(descriptor, F_GETFL) & Self.oDirect != 0 {
          if refusing {
            errno = EINVAL
            return -1
          }
          let written = pwrite(descriptor, bytes, count, offset)
          direct.withLock { $0 += max(0, written) }
          return written
        }
        return pwrite(descriptor, bytes, count, offset)
      }
      return calls
    }

    /// Whether files in a folder can be written past the cache: those of a file system in memory cannot.
    static func isThere(_ folder: String) -> Bool {
      let path = folder + "/direct"
      let descriptor = open(path, O_RDWR | O_CREAT | oDirect, 0o600)
      guard descriptor >= 0, let block = aligned_alloc(4096, 4096) else { return false }
      defer {
        free(block)
        close(descriptor)
        unlink(path)
      }
      memset(block, 0, 4096)
      return pwrite(descriptor, block, 4096, 0) == 4096
    }

    #if arch(x86_64)
      private static let oDirect: Int32 = 0o40000
    #else
      private static let oDirect: Int32 = 0o200000
    #endif
  }

  /// Saves in pieces of `length` bytes, in the file's order or from its end, and returns the file's bytes.
  private func save(_ length: Int, backwards: Bool, calls: SystemCalls, in folder: String) throws -> [UInt8] {
    let lock = try RunLock(folder: folder)
    let store = try CheckpointStore(folder + "/checkpoints", lock: lock, calls: calls)
    let draft = try store.begin(step: 1)
    let writer = try draft.safetensors("model.safetensors", tensors: Self.tensors.map(\.description))
    for sample in backwards ? Self.tensors.reversed() : Self.tensors {
      let starts = Array(stride(from: 0, to: sample.data.count, by: length))
      try sample.data.withUnsafeBytes { bytes in
        for start in backwards ? starts.reversed() : starts {
          let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + length, bytes.count)])
          try writer.write(piece, ofTensor: sample.description.name, at: start)
        }
      }
    }
    _ = try draft.commit()
    _ = try store.verify(1)
    return try bytes(at: folder + "/checkpoints/step-1/model.safetensors")
  }

  @Test(arguments: [false, true], [5_000_000, 1 << 20, 99_991])
  func theBytesAreTheSameAsThroughTheCache(backwards: Bool, length: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/plain.safetensors"
      try withTensors(Self.tensors) { try Safetensors.write($0, to: path) }
      let expected = try bytes(at: path)
      let disk = Disk()
      #expect(try save(length, backwards: backwards, calls: disk.calls(), in: folder) == expected)
      let direct = disk.direct.withLock { $0 }
      // Where pieces do not join, the blocks at their ends go the usual way.
      if length > 1 << 19 { #expect(Disk.isThere(folder) ? direct > expected.count / 2 : direct == 0) }
      #expect(direct % 4096 == 0)
    }
  }

  @Test func aDiskThatRefusesGetsThemTheUsualWay() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/plain.safetensors"
      try withTensors(Self.tensors) { try Safetensors.write($0, to: path) }
      let calls = Disk().calls(refusing: true)
      #expect(try save(300_000, backwards: false, calls: calls, in: folder) == (try bytes(at: path)))
    }
  }

  @Test("Fault 6: a large file that cannot be written leaves nothing", arguments: [1, 3, 6])
  func aLargeFileThatCannotBeWrittenLeavesNothing(number: Int) throws {
    try withTemporaryFolder { folder in
      let calls = Failure.fullDisk.calls(at: number)
      #expect(throws: CheckpointError.self) {
        try save(99_991, backwards: false, calls: calls, in: folder)
      }
      let left = try names(in: folder + "/checkpoints")
      #expect(left.isEmpty)
    }
  }
}
