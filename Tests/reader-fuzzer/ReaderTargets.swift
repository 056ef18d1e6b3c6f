import Checkpoints
import Datasets
import Foundation
import TensorCore
import Training

// Every reader of files that others write: what it is given, and what must be so of what it gives.

extension ReaderTarget {
  static let all: [ReaderTarget] = [
    safetensors, model, manifest, state, metrics, idx, cifar, npy, csv, text, tokenizer, configuration, png,
    jpeg,
  ]

  /// What images may take: one that is small as a file may be large, but not beyond this.
  private static let imageMemory: @Sendable (Int) -> Int = { (256 << 20) + 8192 * $0 }

  // MARK: Checkpoints

  private static let safetensors = ReaderTarget("safetensors") { folder in
    let file = try SafetensorsFile(folder.file)
    var bytes = 0
    for tensor in file.tensors {
      bytes += tensor.byteCount
      switch tensor.elementType {
      case .float16, .bfloat16, .float32, .float64:
        let floats = try file.floats(tensor.name)
        try require(floats.count == tensor.shape.reduce(1, *), "\(floats.count) floats of \(tensor)")
      case .signed64 where tensor.byteCount == 8: _ = try file.integer(tensor.name)
      default: break
      }
    }
    let size = try FileManager.default.attributesOfItem(atPath: folder.file)[.size] as? Int ?? 0
    try require(bytes <= size, "\(bytes) bytes of tensors in a file of \(size)")
    _ = try file.digest()
  }

  private static let model = ReaderTarget("model") { folder in
    let file = try ModelFile(at: folder.file)
    guard file.description.configuration != nil else { return }
    let model = try TrainedModel(at: folder.file)
    _ = model.predictsClasses
  }

  private static let manifest = ReaderTarget("manifest") { folder in
    let manifest = try CheckpointManifest(at: folder.file)
    for file in manifest.files {
      try require(!file.name.contains("/") && !file.name.hasPrefix("."), "a file named \(file.name)")
      try require(file.size >= 0, "a size of \(file.size)")
    }
  }

  private static let state = ReaderTarget("state") { folder in
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file)))
    let state = try RunState(bytes, at: folder.file)
    try require(state.step >= 0 && state.ranks > 0, "step \(state.step) of \(state.ranks) ranks")
    let copy = try again { try RunState(state.encoded(), at: folder.file) }
    try require(copy == state, "a state that is written and read is another")
  }

  private static let metrics = ReaderTarget("metrics") { folder in
    for record in try MetricsRecord.read(at: folder.file) { _ = record.json }
  }

  // MARK: Arrays and tables

  private static let idx = ReaderTarget("idx") { folder in
    let header: [UInt8] = [0, 0, 8, 3] + [3, 2, 2].flatMap { [0, 0, 0, $0] }
    folder.link("split/train-labels-idx1-ubyte")
    _ = folder.add("split/train-images-idx3-ubyte", header + [UInt8](repeating: 7, count: 12))
    try attempts(
      [
        {
          let labelled = try IDXImages.load(at: folder.path + "/split", split: .train)
          try require(labelled.count == 3, "\(labelled.count) labels for 3 images")
        }
      ], succeeding: 0)
    let array = try IDXArray(contentsOf: folder.file)
    let count = array.shape.reduce(1, *)
    try require(array.bytes.count == count * array.element.size, "\(array.bytes.count) bytes, \(array.shape)")
    try require(array.floats().count == count, "floats of another number")
  }

  private static let cifar = ReaderTarget("cifar") { folder in
    folder.link("train.bin")
    folder.link("test_batch.bin")
    try attempts(
      [(CIFAR.Kind.cifar10, Split.test), (.cifar100, .train)].map { kind, split in
        {
          let images = try CIFAR.load(kind, at: folder.path, split: split)
          try require(images.inputShape == [3, 32, 32] && images.count > 0, "images of \(images.inputShape)")
        }
      }, succeeding: 1)
  }

  private static let npy = ReaderTarget("npy") { folder in
    let array = try NPYArray(contentsOf: folder.file)
    try require(array.count == array.shape.reduce(1, *), "\(array.count) elements, shape \(array.shape)")
    try require(array.floats().count == array.count, "floats of another number")
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1), }\n"
    let four = folder.add(
      "four.npy",
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + [0, 1, 2, 3])
    let ways: [() throws -> any NormalizableDataset] = [
      { try NPYFiles.load(inputs: four, labels: folder.file) },
      { try NPYFiles.load(inputs: four, values: folder.file) },
      { try NPYFiles.load(inputs: folder.file, values: four) },
    ]
    // Most files fit none of these, and are no worse for it.
    try attempts(
      ways.map { way in
        { try require(way().count == 4, "another number of samples than 4") }
      }, succeeding: 0)
  }

  private static let csv = ReaderTarget("csv") { folder in
    let ways = [
      CSVColumns(label: "species"), CSVColumns(values: ["1"], hasHeader: false),
      CSVColumns(label: "2", hasHeader: false, delimiter: ";"), CSVColumns(values: ["a"], weight: "b"),
    ]
    try attempts(
      ways.map { columns in
        {
          let table = try CSVTable.load(at: folder.file, columns: columns)
          try require(table.data.inputShape == [table.inputNames.count], "\(table.data.inputShape) columns")
          let copy = try again { try CSVTable.load(at: folder.file, columns: columns, like: table) }
          try require(copy.data.digest() == table.data.digest(), "another table on second sight")
        }
      }, succeeding: 1)
  }

  // MARK: Text

  private static let text = ReaderTarget("text") { folder in
    let sources: [TextData.TokenizerSource] = [
      .new(.characters), .new(.bytes), .new(.bpe, vocabularySize: 300),
    ]
    try attempts(
      sources.map { source in
        {
          let data = try TextData.load(
            at: folder.file, tokenizer: source, windows: .init(context: 4, stride: 1, fraction: 0.2))
          try require(data.training.count > 0 && data.validation.count > 0, "no windows")
        }
      }, succeeding: 1)
  }

  private static let tokenizer = ReaderTarget("tokenizer") { folder in
    let tokenizer = try SavedTokenizer.load(at: folder.file)
    let copy = try again { try SavedTokenizer.read(tokenizer.serialized, at: folder.file) }
    try require(copy.vocabularySize == tokenizer.vocabularySize, "another vocabulary when read again")
    let text = Array("The quick brown fox's 12 hens, é\n\n  <|end|>aab".utf8)
    let tokens = try tokenizer.encode(text, at: folder.path)
    try require(tokens.allSatisfy { 0..<Int32(tokenizer.vocabularySize) ~= $0 }, "tokens \(tokens)")
    try require(try copy.encode(text, at: folder.path) == tokens, "other tokens when read again")
    _ = tokenizer.decode(tokens)
  }

  private static let configuration = ReaderTarget("configuration") { folder in
    let configuration = try RunConfiguration.load(folder.file)
    let copy = try again { try RunConfiguration.parse(configuration.yaml, file: folder.path) }
    try require(copy == configuration, "another configuration when written and read")
    _ = configuration.trainingIdentity
    try again { try configuration.validate() }
    // What does not fit together is told by names in the configuration.
    for form in [
      SampleForm(inputShape: [1, 28, 28], target: .classes(10)),
      SampleForm(inputShape: [16], target: .classes(50, perSample: 16)),
    ] { _ = try? configuration.makeObjective(for: form) }
  }

  // MARK: Images

  private static let png = ReaderTarget("png", greatestInput: 1 << 12, memory: imageMemory, read: readImage)
  private static let jpeg = ReaderTarget("jpeg", greatestInput: 1 << 12, memory: imageMemory, read: readImage)

  @Sendable private static func readImage(_ folder: InputFolder) throws {
    for form in [
      ImageForm(height: 8, width: 8, channels: 3, fit: .stretch),
      ImageForm(height: 3, width: 40, channels: 1, fit: .crop),
    ] {
      let pixels = try ImageFolder.pixels(of: folder.file, form: form)
      try require(pixels.count == form.height * form.width * form.channels, "\(pixels.count) pixels")
    }
  }
}

/// Reads what was written of something that had been read, which must succeed.
private func again<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch {
    throw BrokenPromise(text: "what was read is refused on second sight: \(error)")
  }
}

/// Reads in several ways, all of them tried; throws the last failure where fewer than `enough` ways succeed.
private func attempts(_ ways: [() throws -> Void], succeeding enough: Int? = nil) throws {
  var failure: (any Error)?
  var successes = 0
  for way in ways {
    do {
      try way()
      successes += 1
    } catch let error as any DiagnosedError {
      failure = error
    } catch {
      // A broken promise, or an error of the wrong type.
      throw error
    }
  }
  if let failure, successes < enough ?? ways.count { throw failure }
}
