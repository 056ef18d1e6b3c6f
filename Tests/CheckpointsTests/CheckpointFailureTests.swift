import Foundation
import Glibc
import Synchronization
import Testing

import Checkpoints

/// A system call that fails, as on a full or broken disk.
enum Failure: CaseIterable {
  case fullDisk, quota, brokenWrite, sync, close, rename

  var code: Int32 {
    switch self {
    case .fullDisk: ENOSPC
    case .quota: EDQUOT
    default: EIO
    }
  }

  var text: String { "errno \(code)" }

  /// Calls of which the `number`-th of this kind, and all after it, fail.
  func calls(at number: Int, counter: Counter = Counter()) -> SystemCalls {
    var calls = SystemCalls()
    let code = code
    let passes: @Sendable () -> Bool = {
      if counter.next() < number { return true }
      errno = code
      return false
    }
    switch self {
    case .fullDisk:
      // As a disk fills up: part of the write still finds room.
      calls.write = { descriptor, bytes, count, offset in
        if passes() { return pwrite(descriptor, bytes, count, offset) }
        _ = pwrite(descriptor, bytes, count / 2, offset)
        errno = code
        return -1
      }
    case .quota, .brokenWrite:
      calls.write = { passes() ? pwrite($0, $1, $2, $3) : -1 }
    case .sync: calls.sync = { passes() ? fsync($0) : -1 }
    case .close:
      calls.close = {
        let result = Glibc.close($0)
        return passes() ? result : -1
      }
    case .rename: calls.rename = { passes() ? Glibc.rename($0, $1) : -1 }
    }
    return calls
  }
}

private func isFolder(_ descriptor: Int32) -> Bool {
  var status = stat()
  return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

final class Counter: Sendable {
  private let count = Mutex(0)

  func next() -> Int {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}

@Suite struct CheckpointFailureTests {
  /// How many calls of each kind the saving of one checkpoint makes, at least: the folder, two files of ours,
  /// a safetensors file of a header and two tensors, the manifest, and the two folders.
  private static let leastCalls: [Failure: Int] = [
    .fullDisk: 5, .quota: 5, .brokenWrite: 5, .sync: 6, .close: 3, .rename: 1,
  ]

  @Test("Fault 6: whatever fails, older checkpoints stand and leftovers go", arguments: Failure.allCases)
  func whateverFailsOlderCheckpointsStandAndLeftoversGo(failure: Failure)
    throws
  {
    var failures = 0
    for number in 1...100 {
      let failed = try withTemporaryFolder { folder in
        let lock = try RunLock(folder: folder)
        let checkpoints = folder + "/checkpoints"
        let healthy = try CheckpointStore(checkpoints, lock: lock)
        for step in 1...2 { try save(step, in: healthy) }
        let store = try CheckpointStore(
          checkpoints, lock: lock, calls: failure.calls(at: number))
        do {
          let outcome = try save(3, in: store)
          #expect(outcome.checkpoint.step == 3)
          // Only pruning can have failed, and says so.
          return outcome.pruningFailure != nil
        } catch let error as CheckpointError {
          #expect(error.diagnosis.found.contains(failure.text))
          #expect(error.diagnosis.place.contains("checkpoints"))
        }
        // Either the step never got its name, or (the last sync failed) it has it and is whole.
        let left = try names(in: checkpoints)
        #expect(left == ["step-1", "step-2"] || failure == .sync && left == ["step-1", "step-2", "step-3"])
        for step in try healthy.list() { _ = try healthy.verify(step) }
        // When the disk is well again, the same step is saved.
        try save(3, in: healthy)
        #expect(try healthy.list() == [2, 3])
        #expect(try names(in: checkpoints) == ["step-2", "step-3"])
        return true
      }
      guard failed else { break }
      failures += 1
    }
    #expect(failures >= Self.leastCalls[failure] ?? 0)
    #expect(failures < 100)
  }

  @Test func aDraftThatCouldNotBeRemovedIsNoObstacleToTheNextOfItsStep() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      let isBroken = Atomic(true)
      var calls = SystemCalls()
      let fails: @Sendable () -> Bool = {
        errno = EIO
        return isBroken.load(ordering: .relaxed)
      }
      calls.sync = { !isFolder($0) && fails() ? -1 : fsync($0) }
      calls.remove = { fails() ? -1 : Glibc.remove($0) }
      let healthy = try CheckpointStore(folder + "/c", lock: lock)
      let store = try CheckpointStore(folder + "/c", lock: lock, calls: calls)
      try save(1, in: healthy)
      #expect(throws: CheckpointError.self) { try save(2, in: store) }
      #expect(try names(in: folder + "/c") == ["step-1", "step-2.tmp"])
      isBroken.store(false, ordering: .relaxed)
      try save(2, in: store)
      #expect(try names(in: folder + "/c") == ["step-1", "step-2"])
    }
  }

  /// Network file systems that put folders on the disk by themselves say EINVAL.
  @Test func aFolderThatCannotBeSyncedIsNoFailure() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      var calls = SystemCalls()
      calls.sync = { descriptor in
        guard isFolder(descriptor) else { return fsync(descriptor) }
        errno = EINVAL
        return -1
      }
      let store = try CheckpointStore(folder + "/c", lock: lock, calls: calls)
      for step in 1...3 { try save(step, in: store) }
      #expect(try store.list() == [2, 3])
    }
  }

  @Test func aFailedReplacementPutsTheFirstBack() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      let checkpoints = folder + "/checkpoints"
      try save(1, in: try CheckpointStore(checkpoints, lock: lock))
      let counter = Counter()
      var calls = SystemCalls()
      calls.rename = { old, new in
        if counter.next() != 2 { return Glibc.rename(old, new) }
        errno = EIO
        return -1
      }
      let store = try CheckpointStore(checkpoints, lock: lock, calls: calls)
      #expect(throws: CheckpointError.self) { try save(1, in: store) }
      #expect(try names(in: checkpoints) == ["step-1"])
      #expect(try store.verify(1).step == 1)
    }
  }

  @Test func aWriteThatTakesPartOfTheBytesIsContinued() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      var calls = SystemCalls()
      let counter = Counter()
      calls.write = { descriptor, bytes, count, offset in
        if counter.next() % 3 == 0 {
          errno = EINTR
          return -1
        }
        return pwrite(descriptor, bytes, (count + 1) / 2, offset)
      }
      let store = try CheckpointStore(folder + "/c", lock: lock, calls: calls)
      try save(1, in: store)
      let model = try store.verify(1).safetensors("model.safetensors")
      #expect(try model.digest() == withTensors(samples(step: 1)) { Digest128(ofTensors: $0) })
    }
  }

  @Test func whatTheDiskChangedIsFoundBeforeTheCheckpointGetsItsName() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      var calls = SystemCalls()
      calls.write = { descriptor, bytes, count, offset in
        let result = pwrite(descriptor, bytes, count, offset)
        // One bit of the tensor's data, which begin after the header.
        if count == 1200 {
          var byte = bytes.load(as: UInt8.self) ^ 0x10
          _ = pwrite(descriptor, &byte, 1, offset)
        }
        return result
      }
      try save(1, in: try CheckpointStore(folder + "/c", lock: lock))
      let store = try CheckpointStore(folder + "/c", lock: lock, calls: calls)
      let error = try #require(throws: CheckpointError.self) { try save(2, in: store) }
      #expect(error.diagnosis.place.hasSuffix("model.safetensors"))
      #expect(try names(in: folder + "/c") == ["step-1"])
    }
  }

  @Test func olderCheckpointsThatCannotBeRemovedDoNotSpoilTheNewOne() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      var calls = SystemCalls()
      calls.remove = { _ in
        errno = EIO
        return -1
      }
      let store = try CheckpointStore(folder + "/c", lock: lock, calls: calls)
      for step in 1...2 { try save(step, in: store) }
      let outcome = try save(3, in: store)
      #expect(outcome.pruned == [])
      #expect(outcome.pruningFailure != nil)
      #expect(try store.newestVerified().checkpoint?.step == 3)
      // Neither whole nor mistaken for whole: it waits under a temporary name for the next opening.
      let owner = try CheckpointStore(folder + "/c", lock: lock)
      #expect(owner.removedLeftovers == ["step-1.pruned.tmp"])
      #expect(try owner.list() == [2, 3])
    }
  }
}
