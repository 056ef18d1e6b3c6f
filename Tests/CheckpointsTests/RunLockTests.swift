import Foundation
import Testing

import Checkpoints

@Suite struct RunLockTests {
  @Test func aLockedFolderIsRefusedAndItsHolderNamed() throws {
    try withTemporaryFolder { folder in
      let run = folder + "/runs/first"
      let lock = try RunLock(folder: run)
      let error = try #require(throws: CheckpointError.self) { try RunLock(folder: run) }
      #expect(error.diagnosis.place == run)
      #expect(error.diagnosis.found.contains("process \(getpid()) on host "))
      // A refused attempt takes nothing away from the holder.
      #expect(throws: CheckpointError.self) { try RunLock(folder: run) }
      withExtendedLifetime(lock) {}
    }
  }

  @Test func aReleasedLockCanBeTakenAgainThoughItsFileStays() throws {
    try withTemporaryFolder { folder in
      for _ in 0..<3 {
        let lock = try lockSoon(folder)
        withExtendedLifetime(lock) {}
      }
      #expect(try names(in: folder) == [".lock"])
    }
  }

  /// A program that another test starts at this moment has this one's files open until it is that program.
  private func lockSoon(_ folder: String) throws -> RunLock {
    for _ in 0..<500 {
      if let lock = try? RunLock(folder: folder) { return lock }
      usleep(10_000)
    }
    return try RunLock(folder: folder)
  }

  @Test func theLockOfAnotherProcessIsSeenAndEndsWhenThatIsKilled() throws {
    try withTemporaryFolder { folder in
      let holder = Process()
      holder.executableURL = URL(fileURLWithPath: "/bin/sh")
      holder.arguments = ["-c", "exec 9>'\(folder)/.lock' && flock -n 9 && echo held && exec sleep 60"]
      let output = Pipe()
      holder.standardOutput = output
      try holder.run()
      #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
      let error = try #require(throws: CheckpointError.self) { try RunLock(folder: folder) }
      #expect(error.diagnosis.found == "one that another process has locked")
      kill(holder.processIdentifier, SIGKILL)
      holder.waitUntilExit()
      _ = try RunLock(folder: folder)
    }
  }

  @Test func differentFoldersAreLockedSideBySide() throws {
    try withTemporaryFolder { folder in
      let locks = [try RunLock(folder: folder + "/a"), try RunLock(folder: folder + "/b")]
      #expect(locks.count == 2)
    }
  }

  @Test func aFileInTheFoldersPlaceIsNamed() throws {
    try withTemporaryFolder { folder in
      try put([1], at: folder + "/file")
      for path in ["/file", "/file/run"] {
        #expect(throws: CheckpointError.self) { try RunLock(folder: folder + path) }
      }
    }
  }
}

@Suite struct AtomicWriteTests {
  @Test func aFileIsCreatedAndReplaced() throws {
    try withTemporaryFolder { folder in
      for content: [UInt8] in [[1, 2, 3], [4], []] {
        try atomicWrite(content, to: folder + "/f")
        #expect(try bytes(at: folder + "/f") == content)
      }
      // What a killed writer left is no obstacle.
      try put([9, 9, 9, 9], at: folder + "/f.tmp")
      try atomicWrite([5], to: folder + "/f")
      #expect(try bytes(at: folder + "/f") == [5])
      #expect(try names(in: folder) == ["f"])
    }
  }

  @Test(arguments: Failure.allCases) func whateverFailsTheOldFileStays(failure: Failure) throws {
    try withTemporaryFolder { folder in
      try put([1, 2], at: folder + "/f")
      let error = try #require(throws: CheckpointError.self) {
        try atomicWrite([3], to: folder + "/f", calls: failure.calls(at: 1))
      }
      #expect(error.diagnosis.found.contains(failure.text))
      #expect(try bytes(at: folder + "/f") == [1, 2])
      #expect(try names(in: folder) == ["f"])
    }
  }
}
