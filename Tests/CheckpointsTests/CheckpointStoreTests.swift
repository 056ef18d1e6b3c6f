import Foundation
import Testing

import Checkpoints

@Suite struct CheckpointStoreTests {
  private func withStore<Result>(
    keep: Int = 2, _ body: (CheckpointStore, String) throws -> Result
  ) throws -> Result {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      return try body(
        try CheckpointStore(folder + "/checkpoints", lock: lock, retention: Retention(newest: keep)), folder)
    }
  }

  @Test func aCheckpointComesBackAsItWasWritten() throws {
    try withStore { store, folder in
      let outcome = try save(7, in: store)
      let reader = CheckpointStore(reading: folder + "/checkpoints")
      let (found, rejected) = try reader.newestVerified()
      let checkpoint = try #require(found)
      #expect(checkpoint == outcome.checkpoint)
      #expect(rejected.isEmpty)
      #expect(checkpoint.step == 7)
      #expect(checkpoint.files.map(\.name) == ["model.safetensors", "training.json"])
      #expect(try checkpoint.bytes(of: "training.json") == Array("{\"epoch\": 7}".utf8))
      let model = try checkpoint.safetensors("model.safetensors")
      #expect(model.metadata == ["step": "7"])
      #expect(try model.integer("steps") == 7)
      #expect(try model.digest() == withTensors(samples(step: 7)) { Digest128(ofTensors: $0) })
      #expect(throws: CheckpointError.self) { try checkpoint.bytes(of: "other") }
      #expect(throws: CheckpointError.self) { try checkpoint.safetensors("../other") }
    }
  }

  @Test func anEmptyOrMissingFolderHasNoCheckpoint() throws {
    try withTemporaryFolder { folder throws in
      for path in [folder, folder + "/missing"] {
        let store = CheckpointStore(reading: path)
        #expect(try store.list() == [])
        #expect(try store.newestVerified().checkpoint == nil)
      }
    }
  }

  @Test func tensorsMayComeInPiecesWhileAnotherCheckpointStands() throws {
    try withStore { store, _ in
      try save(1, in: store)
      let sample = Sample(random: "w", shape: [64])
      let draft = try store.begin(step: 2)
      let writer = try draft.safetensors("model.safetensors", tensors: [sample.description])
      try sample.data.withUnsafeBytes { bytes in
        for start in [128, 0, 192, 64] {
          try writer.write(
            UnsafeRawBufferPointer(rebasing: bytes[start..<start + 64]), ofTensor: "w", at: start)
          #expect(try store.list() == [1])
        }
      }
      _ = try draft.commit()
      let model = try store.verify(2).safetensors("model.safetensors")
      #expect(try model.digest() == withTensors([sample]) { Digest128(ofTensors: $0) })
    }
  }

  @Test func aForgottenOrUnfinishedDraftLeavesNothing() throws {
    try withStore { store, folder in
      try save(1, in: store)
      do {
        let draft = try store.begin(step: 2)
        try draft.add("a", bytes: [1])
      }
      #expect(try names(in: folder + "/checkpoints") == ["step-1"])
      let draft = try store.begin(step: 2)
      _ = try draft.safetensors("m", tensors: [Safetensors.Description("w", shape: [1])])
      #expect(throws: CheckpointError.self) { try draft.commit() }
      #expect(try names(in: folder + "/checkpoints") == ["step-1"])
      #expect(throws: CheckpointError.self) { try draft.commit() }
      #expect(throws: CheckpointError.self) { try draft.add("b", bytes: []) }
    }
  }

  @Test func tensorsLieInTheFileAsTheyAreListed() throws {
    try withStore { store, _ in
      let samples = [
        Sample(random: "b", shape: [5]), Sample(random: "c", shape: [3]), Sample(random: "a", shape: [7]),
      ]
      try withTensors(samples) { tensors in
        let draft = try store.begin(step: 1)
        let writer = try draft.safetensors("m", tensors: tensors.map(\.description), order: .asGiven)
        for tensor in tensors { try writer.write(tensor.bytes, ofTensor: tensor.description.name) }
        let file = try draft.commit().checkpoint.safetensors("m")
        #expect(file.tensors.map(\.name) == ["b", "c", "a"])
        #expect(try file.digest() == Digest128(ofTensors: tensors))
      }
    }
  }

  // MARK: Pruning

  @Test(arguments: [2, 3]) func theNewestAreKept(keep: Int) throws {
    try withStore(keep: keep) { store, _ in
      for step in [5, 10, 100, 101, 1000] { try save(step, in: store) }
      #expect(try store.list() == Array([5, 10, 100, 101, 1000].suffix(keep)))
    }
  }

  @Test func theProtectedStepIsKeptAsLongAsItIsProtected() throws {
    try withStore { store, _ in
      for step in 1...5 { try save(step, in: store, protecting: 2) }
      #expect(try store.list() == [2, 4, 5])
      let outcome = try save(6, in: store, protecting: 4)
      #expect(outcome.pruned == [2])
      #expect(outcome.pruningFailure == nil)
      #expect(try store.list() == [4, 5, 6])
    }
  }

  @Test func theFirstAtOrAfterEveryNthStepIsKeptForGood() throws {
    let retention = Retention(newest: 2, everySteps: 100)
    #expect(retention.milestones(among: [40, 90, 110, 150, 200, 201, 450, 460]) == [110, 200, 450])
    #expect(Retention(newest: 2).milestones(among: [100, 200]) == [])
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      let store = try CheckpointStore(folder + "/checkpoints", lock: lock, retention: retention)
      for step in stride(from: 30, through: 480, by: 30) { try save(step, in: store) }
      #expect(try store.list() == [120, 210, 300, 420, 450, 480])
    }
  }

  @Test func aDamagedCheckpointDoesNotCountAmongThoseKept() throws {
    try withStore { store, folder in
      try save(1, in: store)
      try save(2, in: store)
      let path = folder + "/checkpoints/step-2/model.safetensors"
      try flip(bit: 8000, of: path)
      // A process that has not yet seen step 2, and so cannot believe it whole.
      let lock = try RunLock(folder: folder + "/other")
      let fresh = try CheckpointStore(folder + "/checkpoints", lock: lock)
      #expect(try save(3, in: fresh).pruned == [])
      #expect(try fresh.list() == [1, 2, 3])
      #expect(try save(4, in: fresh).pruned == [2, 1])
    }
  }

  @Test func aWorkingCopyOfALaterStepIsNeitherCountedNorPruned() throws {
    try withStore { store, _ in
      for step in [10, 20, 30] { try save(step, in: store) }
      #expect(try store.list() == [20, 30])
      try save(25, in: store)
      #expect(try store.list() == [20, 25, 30])
    }
  }

  @Test func aSecondCheckpointOfAStepReplacesTheFirst() throws {
    try withStore { store, folder in
      try save(1, in: store)
      let first = try save(2, in: store).checkpoint
      try flip(bit: 8000, of: first.folder + "/model.safetensors")
      #expect(throws: CheckpointError.self) { try store.verify(2) }
      let second = try save(2, in: store).checkpoint
      #expect(second == first)
      #expect(try store.verify(2) == first)
      #expect(try names(in: folder + "/checkpoints") == ["step-1", "step-2"])
    }
  }

  // MARK: What a crash leaves

  @Test func leftoversAreRemovedByTheOwnerOnly() throws {
    try withStore { store, folder in
      try save(1, in: store)
      let checkpoints = folder + "/checkpoints"
      let files = FileManager.default
      for name in ["step-2.tmp", "step-0.pruned.tmp", "step-1.replaced"] {
        try files.copyItem(atPath: checkpoints + "/step-1", toPath: checkpoints + "/" + name)
      }
      let all = try names(in: checkpoints)
      #expect(CheckpointStore(reading: checkpoints).removedLeftovers == [])
      #expect(try CheckpointStore(reading: checkpoints).list() == [1])
      #expect(try names(in: checkpoints) == all)
      let lock = try RunLock(folder: folder + "/other")
      let owner = try CheckpointStore(checkpoints, lock: lock)
      #expect(owner.removedLeftovers == ["step-0.pruned.tmp", "step-1.replaced", "step-2.tmp"])
      #expect(try names(in: checkpoints) == ["step-1"])
    }
  }

  @Test func aCheckpointThatWasMovedAsideForOneThatNeverCameIsPutBack() throws {
    try withStore { store, folder in
      try save(1, in: store)
      let checkpoints = folder + "/checkpoints"
      #expect(rename(checkpoints + "/step-1", checkpoints + "/step-1.replaced") == 0)
      let lock = try RunLock(folder: folder + "/other")
      #expect(try CheckpointStore(checkpoints, lock: lock).newestVerified().checkpoint?.step == 1)
    }
  }

  @Test func foldersOfOtherNamesAreNoCheckpointsAndStay() throws {
    try withStore { store, folder in
      let checkpoints = folder + "/checkpoints"
      let others = ["best", "step-", "step-01", "step-+1", "step--1", "step-1x", "step-99999999999999999999"]
      for name in others { #expect(mkdir(checkpoints + "/" + name, 0o755) == 0) }
      #expect(try store.list() == [])
      for step in 1...3 { try save(step, in: store) }
      #expect(try names(in: checkpoints) == (others + ["step-2", "step-3"]).sorted())
    }
  }
}
