import Foundation
import Glibc
import TensorCore
import Testing

import Checkpoints

/// Calls `body` with a fresh folder, and removes it afterwards.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "lockstep-checkpoints-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}

func bytes(at path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}

func put(_ bytes: [UInt8], at path: String) throws {
  // Not Data.write, which waits for the disk each time.
  let file = try #require(fopen(path, "w"))
  defer { fclose(file) }
  #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
}

func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

/// A tensor in memory, for tests: `Safetensors.Tensor` points into it.
struct Sample {
  let description: Safetensors.Description
  let data: [UInt8]

  init(_ name: String, _ type: Safetensors.ElementType, shape: [Int], data: [UInt8]) {
    description = Safetensors.Description(name, type, shape: shape)
    self.data = data
  }

  init(_ name: String, shape: [Int], floats: [Float]) {
    self.init(name, .float32, shape: shape, data: floats.withUnsafeBytes { Array($0) })
  }

  /// Random bytes: the same for the same name.
  init(random name: String, _ type: Safetensors.ElementType = .float32, shape: [Int]) {
    let description = Safetensors.Description(name, type, shape: shape)
    var stream = RandomStream(
      seed: name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }, purpose: .test)
    self.init(
      name, type, shape: shape,
      data: (0..<description.byteCount).map { _ in UInt8(truncatingIfNeeded: stream.next()) })
  }
}

/// Lends the samples as tensors.
func withTensors<Result>(
  _ samples: [Sample], _ body: ([Safetensors.Tensor]) throws -> Result
) rethrows -> Result {
  func lend(_ rest: ArraySlice<Sample>, _ tensors: [Safetensors.Tensor]) throws -> Result {
    guard let first = rest.first else { return try body(tensors) }
    return try first.data.withUnsafeBytes { bytes in
      try lend(rest.dropFirst(), tensors + [Safetensors.Tensor(first.description, bytes: bytes)])
    }
  }
  return try lend(samples[...], [])
}

/// A small model's checkpoint, different for each step.
func samples(step: Int, elements: Int = 300) -> [Sample] {
  [
    Sample(random: "hidden.weight \(step)", shape: [elements]),
    Sample("steps", .signed64, shape: [], data: withUnsafeBytes(of: Int64(step)) { Array($0) }),
  ]
}

@discardableResult
func save(
  _ step: Int, in store: CheckpointStore, elements: Int = 300, protecting protected: Int? = nil
) throws -> CheckpointStore.Outcome {
  try withTensors(samples(step: step, elements: elements)) { tensors in
    try store.write(
      step: step,
      files: [
        .safetensors(name: "model.safetensors", tensors, metadata: ["step": "\(step)"]),
        .bytes(name: "training.json", Array("{\"epoch\": \(step)}".utf8)),
      ], protecting: protected)
  }
}

/// Changes one bit of a file in place.
func flip(bit: Int, of path: String) throws {
  try change(byte: bit / 8, of: path, by: 1 << (bit % 8))
}

/// Changes the bits of one byte of a file in place; the same again undoes it.
func change(byte index: Int, of path: String, by mask: UInt8) throws {
  let descriptor = open(path, O_RDWR)
  defer { close(descriptor) }
  var byte: UInt8 = 0
  try #require(pread(descriptor, &byte, 1, index) == 1)
  byte ^= mask
  try #require(pwrite(descriptor, &byte, 1, index) == 1)
}
