import CZlib
import Datasets
import Foundation
import TensorCore
import Testing

/// A folder that goes away with its owner.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/lockstep-datasets-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  @discardableResult
  func write(_ bytes: [UInt8], to name: String) throws -> String {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  /// Gzips `bytes`, then `zeros` more zero bytes.
  @discardableResult
  func writeGzipped(_ bytes: [UInt8], zeros: Int = 0, to name: String) throws -> String {
    let path = "\(path)/\(name)"
    let file = try #require(gzopen(path, "wb1"))
    #expect(gzwrite(file, bytes, UInt32(bytes.count)) == Int32(bytes.count))
    let block = [UInt8](repeating: 0, count: 1 << 20)
    for _ in 0..<zeros >> 20 { gzwrite(file, block, UInt32(block.count)) }
    #expect(gzclose(file) == Z_OK)
    return path
  }

  func read(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")))
  }
}

/// The bytes of an IDX file of unsigned bytes.
func idx(_ shape: [UInt32], _ bytes: [UInt8]) -> [UInt8] { idx(0x08, shape, bytes) }

/// The bytes of an IDX file whose elements have this type.
func idx(_ element: UInt8, _ shape: [UInt32], _ bytes: [UInt8]) -> [UInt8] {
  var file: [UInt8] = [0, 0, element, UInt8(shape.count)]
  for dimension in shape { withUnsafeBytes(of: dimension.bigEndian) { file += $0 } }
  return file + bytes
}

extension Dataset {
  /// What `fill` writes for samples: inputs, and labels or values as doubles.
  func filled(_ samples: [Int], epoch: Int = 0) -> (inputs: [Float], targets: [Double]) {
    let inputs = UnsafeMutableBufferPointer<Float>.allocate(capacity: samples.count * inputSize)
    let labels = UnsafeMutablePointer<Int32>.allocate(capacity: samples.count)
    defer {
      inputs.deallocate()
      labels.deallocate()
    }
    inputs.initialize(repeating: .nan)
    labels.initialize(repeating: -1, count: samples.count)
    guard let start = inputs.baseAddress else { return ([], []) }
    switch target {
    case .classes, .input:
      samples.withUnsafeBufferPointer {
        fill($0, epoch: epoch, inputs: start, targets: .labels(labels))
      }
      return (Array(inputs), (0..<samples.count).map { Double(labels[$0]) })
    case .values(let count), .probabilities(let count):
      let values = UnsafeMutablePointer<Float>.allocate(capacity: samples.count * count)
      defer { values.deallocate() }
      values.initialize(repeating: .nan, count: samples.count * count)
      samples.withUnsafeBufferPointer {
        fill($0, epoch: epoch, inputs: start, targets: .values(values))
      }
      return (Array(inputs), (0..<samples.count * count).map { Double(values[$0]) })
    }
  }
}

/// Sample i has the inputs 10 i, 10 i + 1, 10 i + 2 and the label i mod 7.
func numbered(_ count: Int) throws -> TensorDataset {
  var inputs: [Float] = []
  for sample in 0..<count {
    for offset in 0..<3 { inputs.append(Float(10 * sample + offset)) }
  }
  return try TensorDataset(
    inputs: inputs, inputShape: [3], labels: (0..<count).map { Int32($0 % 7) }, classes: 7)
}
