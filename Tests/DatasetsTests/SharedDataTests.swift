import Datasets
import Foundation
import TensorCore
import Testing

/// Data that were written to memory are the data that are read from it.
@Suite struct SharedDataTests {
  /// Memory as a window would be, with a guard behind it.
  private final class Memory {
    let base: UnsafeMutableRawPointer
    let bytes: Int

    init(_ bytes: Int) {
      self.bytes = bytes
      base = .allocate(byteCount: bytes + 64, alignment: 64)
      base.initializeMemory(as: UInt8.self, repeating: 0xA5, count: bytes + 64)
    }

    deinit { base.deallocate() }

    var isGuardIntact: Bool {
      (bytes..<bytes + 64).allSatisfy { base.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 }
    }
  }

  private func passedOn<Samples: ShareableData>(_ samples: Samples) throws -> Samples {
    var archive = DataArchive()
    samples.add(to: &archive)
    #expect(archive.byteCount % 64 == 0, "each part begins on a boundary")
    let memory = Memory(archive.byteCount)
    archive.move(to: memory.base)
    #expect(memory.isGuardIntact)
    var reader = try DataArchive.Reader(at: memory.base, keptBy: memory)
    return try Samples(from: &reader)
  }

  @Test(arguments: ["|u1", "|i1", "|b1", "<u2", ">i2", "<f2"])
  func numbersOfFewBytesAreTheSameDataAsFloats(type: String) throws {
    let shape = [300, 7]
    let few = (0..<2100).flatMap { number -> [UInt8] in
      let low = UInt8(truncatingIfNeeded: number &* 37)
      // Halves of any sign, none infinite.
      return type.hasSuffix("1") ? [low] : [low, UInt8(number % 120 + (number & 1) << 7)]
    }
    let folder = try TemporaryFolder()
    let path = try folder.write(npy(type, shape, few), to: "few.npy")
    let floats = try NPYArray(contentsOf: path).floats()
    #expect(Set(floats).count > 1 && floats.count == 2100)
    let wide = try folder.write(npy("<f4", shape, bytes(floats)), to: "wide.npy")
    let labels = try folder.write(npy("|u1", [300], (0..<300).map { UInt8($0 % 3) }), to: "labels.npy")
    let samples = try [path, wide].map { try NPYFiles.load(inputs: $0, labels: labels) }
    let (first, second) = (
      try #require(samples[0] as? TensorDataset), try #require(samples[1] as? TensorDataset)
    )
    #expect(first.digest() == second.digest())
    #expect(contents(first) == contents(second))
    #expect(first.standardNormalization(of: [7, 200, 3]) == second.standardNormalization(of: [7, 200, 3]))
    let normalization = first.standardNormalization()
    #expect(
      try contents(first.normalized(by: normalization)) == contents(second.normalized(by: normalization)))
    let passed = try passedOn(first)
    #expect(passed.digest() == second.digest() && contents(passed) == contents(second))
  }

  /// All that a model would see of some data.
  private func contents(_ data: any Dataset) -> [Float] {
    var inputs = [Float](repeating: .nan, count: data.count * data.inputSize)
    var labels = [Int32](repeating: -1, count: data.count * max(1, data.target.labelsPerSample))
    var values = [Float](repeating: .nan, count: data.count * max(1, data.target.valuesPerSample))
    var weights = [Float](repeating: 1, count: data.count)
    inputs.withUnsafeMutableBufferPointer { inputs in
      labels.withUnsafeMutableBufferPointer { labels in
        values.withUnsafeMutableBufferPointer { values in
          weights.withUnsafeMutableBufferPointer { weights in
            let targets = TargetMemory(
              labels: labels.baseAddress, values: values.baseAddress, weights: weights.baseAddress)
            Array(0..<data.count).withUnsafeBufferPointer {
              guard let base = inputs.baseAddress else { return }
              data.fill($0, epoch: 0, inputs: base, targets: targets)
            }
          }
        }
      }
    }
    let told = data.target.valuesPerSample > 0 ? values : labels.map { Float($0) }
    return inputs + told + weights
  }

  private func expectSame(
    _ one: any Dataset, _ other: any Dataset, _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(one.digest() == other.digest(), sourceLocation: location)
    #expect(one.normalization == other.normalization, sourceLocation: location)
    #expect(one.classNames == other.classNames, sourceLocation: location)
    #expect(one.isWeighted == other.isWeighted && one.target == other.target, sourceLocation: location)
    #expect(contents(one) == contents(other), sourceLocation: location)
  }

  @Test func images() throws {
    let digits = try BuiltInDigits.draw(split: .train, count: 37)
    let normalized = try digits.normalized(by: digits.standardNormalization(of: [3, 4, 9]))
    let read = try passedOn(normalized)
    expectSame(normalized, read)
    // What is done with data later is done with these, too.
    #expect(read.standardNormalization() == normalized.standardNormalization())
    expectSame(try read.normalized(by: .unit), digits)
    expectSame(Subset(of: read, indices: [8, 2, 30]), Subset(of: normalized, indices: [8, 2, 30]))
    // A number of bytes that is no multiple of anything.
    let odd = try ByteImages(pixels: [7, 8, 9], labels: [1], inputShape: [3], classNames: ["a", "\"ü\n"])
    expectSame(odd, try passedOn(odd))
  }

  @Test func tables() throws {
    let inputs: [Float] = [1, 2.5, -3, 1e-30, 7, .greatestFiniteMagnitude]
    let classes = try TensorDataset(
      inputs: inputs, inputShape: [2], labels: [0, 2, 1], classes: 3, weights: [1, 0, 2.5])
    expectSame(classes, try passedOn(classes))
    let values = try TensorDataset(inputs: inputs, inputShape: [3], values: [1, 2, 3, 4], valuesPerSample: 2)
      .normalized(by: .standard(mean: [0.1, 2, 3], standardDeviation: [1.0 / 3, 0.7, 1e-12]))
    expectSame(values, try passedOn(values))
    let either = try [StoredSamples(classes), StoredSamples(values)].map(passedOn)
    expectSame(either[0].dataset, classes)
    expectSame(either[1].dataset, values)
  }

  @Test(arguments: [TokenizerKind.characters, .bytes, .bpe]) func texts(_ kind: TokenizerKind) throws {
    let text = try TextData.builtIn(
      characters: 5000, tokenizer: .new(kind, vocabularySize: 300), windows: .init(context: 16, stride: 3))
    let read = try passedOn(text)
    expectSame(text.training, read.training)
    expectSame(text.validation, read.validation)
    #expect(read.tokenizer.serialized == text.tokenizer.serialized && read.tokenizer.kind == kind)
    #expect(read.entropyRate == text.entropyRate)
  }

  @Test func largeVocabularies() throws {
    // Characters beyond 65,536 different ones need 32 bits each.
    var scalars = String.UnicodeScalarView()
    for value in UInt32(0x3400)..<0x9FFF { if let scalar = Unicode.Scalar(value) { scalars.append(scalar) } }
    for value in UInt32(0x20000)..<0x2A000 {
      if let scalar = Unicode.Scalar(value) { scalars.append(scalar) }
    }
    let text = try TextData.make(
      from: Array(String(scalars).utf8), tokenizer: .new(.characters), windows: .init(context: 8))
    try #require(text.tokenizer.vocabularySize > 1 << 16)
    let read = try passedOn(text)
    #expect(read.training.digest() == text.training.digest())
    #expect(read.validation.digest() == text.validation.digest())
  }

  @Test func whatAnotherProgramHasPutThereIsRefused() throws {
    var archive = DataArchive()
    try BuiltInDigits.draw(split: .train, count: 10).add(to: &archive)
    let memory = Memory(archive.byteCount)
    archive.move(to: memory.base)
    #expect(throws: DatasetError.self) {
      var reader = try DataArchive.Reader(at: memory.base, keptBy: memory)
      return try TensorDataset(from: &reader)
    }
  }

  /// The memory lives as long as any data in it.
  @Test func dataKeepTheirMemory() throws {
    weak var kept: Memory?
    var read: ByteImages?
    do {
      var archive = DataArchive()
      try BuiltInDigits.draw(split: .train, count: 10).add(to: &archive)
      let memory = Memory(archive.byteCount)
      kept = memory
      archive.move(to: memory.base)
      var reader = try DataArchive.Reader(at: memory.base, keptBy: memory)
      read = try ByteImages(from: &reader)
    }
    #expect(kept != nil && read?.count == 10)
    read = nil
    #expect(kept == nil)
  }
}
