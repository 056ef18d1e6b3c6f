import Foundation
import Glibc
import TensorCore
import Testing

import Checkpoints

/// Torn and rotten checkpoints: every damage is found, and the checkpoint before is used instead.
@Suite struct CheckpointDamageTests {
  /// Steps 1 and 2, of which `body` damages the second.
  private func withTwo(
    elements: Int, _ body: (CheckpointStore, _ second: String) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      let store = try CheckpointStore(folder + "/checkpoints", lock: lock)
      for step in 1...2 { try save(step, in: store, elements: elements) }
      try body(store, folder + "/checkpoints/step-2")
      // All damage was mended again: else an earlier one would have hidden the later ones.
      #expect(try store.newestVerified().checkpoint?.step == 2)
    }
  }

  private static let files = ["model.safetensors", "training.json", "manifest.json"]

  @Test("Fault 7: every cut is found and the one before is used")
  func everyCutIsFoundAndTheOneBeforeIsUsed() throws {
    try withTwo(elements: 5000) { store, second in
      var cuts = 0
      for name in Self.files {
        let path = second + "/" + name
        let whole = try bytes(at: path)
        let points = Set([0, 1, whole.count - 1] + stride(from: 4096, to: whole.count, by: 4096))
        for count in points.sorted() {
          try put(Array(whole[..<count]), at: path)
          let (checkpoint, rejected) = try store.newestVerified()
          #expect(checkpoint?.step == 1, "\(name) cut at \(count)")
          #expect(rejected.map(\.step) == [2])
          #expect(rejected.first?.reason.diagnosis.place.contains(name) == true)
          cuts += 1
        }
        try put(whole + [0], at: path)
        #expect(throws: CheckpointError.self) { try store.verify(2) }
        try put(whole, at: path)
      }
      #expect(cuts == 3 + 4 + 3 + 3)
    }
  }

  @Test("Fault 8: every flipped bit of a header or a manifest is found")
  func everyFlippedBitOfAHeaderOrAManifestIsFound() throws {
    try withTwo(elements: 300) { store, second in
      for name in Self.files {
        let path = second + "/" + name
        let whole = try bytes(at: path)
        let header = name == "model.safetensors" ? whole.count - 1208 : whole.count
        for bit in 0..<header * 8 {
          try flip(bit: bit, of: path)
          #expect(throws: CheckpointError.self, "bit \(bit) of \(name)") { try store.verify(2) }
          try flip(bit: bit, of: path)
        }
      }
    }
  }

  @Test("Fault 8: ten thousand flipped bits of the payload are found")
  func tenThousandFlippedBitsOfThePayloadAreFound() throws {
    try withTwo(elements: 5000) { store, second in
      let path = second + "/model.safetensors"
      let count = try bytes(at: path).count
      var stream = RandomStream(seed: 3, purpose: .test)
      for _ in 0..<10_000 {
        let bit = (count - 20_008) * 8 + stream.integer(below: 20_008 * 8)
        try flip(bit: bit, of: path)
        #expect(throws: CheckpointError.self, "bit \(bit)") { try store.verify(2) }
        try flip(bit: bit, of: path)
      }
    }
  }

  @Test func missingReplacedAndLinkedFilesAreFound() throws {
    try withTwo(elements: 300) { store, second in
      for name in Self.files {
        let path = second + "/" + name
        #expect(rename(path, path + ".away") == 0)
        #expect(throws: CheckpointError.self) { try store.verify(2) }
        // The same bytes by way of a link: where they are, they could be changed or go unseen.
        #expect(symlink(path + ".away", path) == 0)
        #expect(throws: CheckpointError.self) { try store.verify(2) }
        #expect(unlink(path) == 0)
        #expect(mkdir(path, 0o755) == 0)
        #expect(throws: CheckpointError.self) { try store.verify(2) }
        #expect(rmdir(path) == 0)
        #expect(rename(path + ".away", path) == 0)
      }
    }
  }

  @Test func aFolderUnderAnotherStepsNameIsRefused() throws {
    try withTwo(elements: 300) { store, second in
      let third = second.dropLast() + "3"
      #expect(rename(second, String(third)) == 0)
      let (checkpoint, rejected) = try store.newestVerified()
      #expect(checkpoint?.step == 1)
      #expect(rejected.first?.reason.diagnosis.found == "that of step 2")
      #expect(rename(String(third), second) == 0)
    }
  }

  @Test func whereNothingIsWholeEverythingIsReported() throws {
    try withTemporaryFolder { folder in
      let lock = try RunLock(folder: folder)
      let store = try CheckpointStore(folder + "/checkpoints", lock: lock)
      for step in 1...2 {
        try save(step, in: store)
        try flip(bit: 9, of: "\(folder)/checkpoints/step-\(step)/training.json")
      }
      let (checkpoint, rejected) = try store.newestVerified()
      #expect(checkpoint == nil)
      #expect(rejected.map(\.step) == [2, 1])
    }
  }

  /// Manifests whose own digest is right, so that it is their content that must be refused.
  @Test(arguments: [
    #""../model": {"size": 0, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
    #""/etc/passwd": {"size": 0, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
    #""..": {"size": 0, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
    #""manifest.json": {"size": 0, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
    #""a": {"size": 0, "xxh3-128": "99aa06d3014798d86001c324468d497"}"#,
    #""a": {"size": 0}"#, #""a": {"xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
    #""a": {"size": -1, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
    #""a": {"size":0, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#,
  ])
  func manifestsWithOtherContentAreRefused(entry: String) throws {
    try withTemporaryFolder { folder in
      func write(_ entry: String) throws {
        let text = "{\n  \"version\": 1,\n  \"step\": 3,\n  \"files\": {\n    \(entry)\n  }"
        let digest = Digest128(of: Array(text.utf8))
        try put(Array((text + ",\n  \"digest\": \"\(digest)\"\n}\n").utf8), at: folder + "/manifest.json")
      }
      // The same manifest with a plain entry is accepted.
      try write(#""a": {"size": 0, "xxh3-128": "99aa06d3014798d86001c324468d497f"}"#)
      #expect(try CheckpointManifest(at: folder + "/manifest.json").files.map(\.name) == ["a"])
      try write(entry)
      #expect(throws: CheckpointError.self) { try CheckpointManifest(at: folder + "/manifest.json") }
    }
  }

  @Test func manifestsAreReadBackAsTheyWereWritten() throws {
    try withTemporaryFolder { folder in
      for count in [0, 1, 3] {
        let files = (0..<count).map { Checkpoint.File(name: "f\($0)", size: $0, digest: Digest128(of: [])) }
        let manifest = CheckpointManifest(step: count, files: files.reversed())
        #expect(manifest.files == files)
        try put(manifest.encoded(), at: folder + "/manifest.json")
        #expect(try CheckpointManifest(at: folder + "/manifest.json") == manifest)
      }
    }
  }
}
