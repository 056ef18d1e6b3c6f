import Datasets

/// Where a configuration's samples come from.
struct DataSource {
  private let configuration: RunConfiguration
  private var data: DataConfiguration { configuration.data }
  private var path: String { data.path ?? "." }
  private var seed: UInt64 { UInt64(data.seed) }

  init(_ configuration: RunConfiguration) { self.configuration = configuration }

  var hasTestSplit: Bool {
    switch data.name {
    case .digits, .shapes: data.testSamples > 0
    case .idx, .cifar10, .cifar100: true
    case .images: ImageFolder.hasTestSplit(at: path)
    case .npy: NPYFiles.hasTestSplit(at: path)
    case .csv: data.testPath != nil
    case .text, .builtInText: false
    }
  }

  /// The training samples, and a table's columns.
  func training() throws(DatasetError) -> (samples: any NormalizableDataset, columns: [String]?) {
    guard data.name == .csv else { return (try samples(.train), nil) }
    let table = try CSVTable.load(at: path, columns: data.table.columns)
    return (table.data, table.inputNames)
  }

  /// Images or a table; texts are had by `text`.
  ///
  /// - Parameter classes: of the training samples, where they are known: not every split has all.
  func samples(_ split: Split, classes: Int? = nil) throws(DatasetError) -> any NormalizableDataset {
    let threads = configuration.threads
    let count = split == .train ? data.samples : data.testSamples
    switch data.name {
    case .digits: return try BuiltInDigits.draw(split: split, count: count, seed: seed, threads: threads)
    case .shapes: return try BuiltInShapes.draw(split: split, count: count, seed: seed, threads: threads)
    case .idx:
      return try IDXImages.load(
        at: path, split: split, classNames: (0..<data.classes).map(String.init))
    case .cifar10: return try CIFAR.load(.cifar10, at: path, split: split)
    case .cifar100: return try CIFAR.load(.cifar100, at: path, split: split)
    case .images: return try ImageFolder.load(at: path, split: split, form: imageForm, threads: threads)
    case .npy: return try NPYFiles.load(at: path, split: split, classes: classes)
    case .csv:
      let training = try CSVTable.load(at: path, columns: data.table.columns)
      guard split == .test else { return training.data }
      return try CSVTable.load(at: data.testPath ?? path, columns: data.table.columns, like: training).data
    case .text, .builtInText: preconditionFailure("texts are read by text(tokenizer:)")
    }
  }

  var imageForm: ImageForm {
    ImageForm(height: data.height, width: data.width, channels: data.channels, fit: data.fit)
  }

  /// - Parameter tokenizer: the one that a model was trained with; nil: as the configuration says.
  func text(tokenizer: (any Tokenizer)?) throws(DatasetError) -> TextData {
    let text = data.text
    let source: TextData.TokenizerSource =
      if let tokenizer {
        .given(tokenizer)
      } else if let file = text.tokenizer {
        .file(file)
      } else {
        .new(text.tokens, vocabularySize: text.vocabulary)
      }
    return data.name == .text
      ? try TextData.load(at: path, tokenizer: source, windows: text.windows)
      : try TextData.builtIn(
        characters: text.characters, seed: seed, tokenizer: source, windows: text.windows)
  }
}
