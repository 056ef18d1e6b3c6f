import Checkpoints
import Datasets

/// What a configuration's data are before they are normalized and cut into splits: what is read or drawn, once on each
/// machine.
package enum SourceData: ShareableData {
  case text(TextData)
  case samples(Samples)

  /// Images or tables.
  package struct Samples {
    let training: StoredSamples
    let test: StoredSamples?
    /// Of tables.
    let columns: [String]?
  }

  /// Reads or draws all of them.
  init(_ configuration: RunConfiguration) throws(DatasetError) {
    let source = DataSource(configuration)
    if configuration.data.name.isText {
      self = .text(try source.text(tokenizer: nil))
      return
    }
    let (samples, columns) = try source.training()
    let test =
      source.hasTestSplit
      ? StoredSamples(try source.samples(.test, classes: samples.target.classCount)) : nil
    self = .samples(Samples(training: StoredSamples(samples), test: test, columns: columns))
  }

  /// What tells the sources of two configurations apart.
  package static func key(_ configuration: RunConfiguration) -> Digest128 {
    var bare = RunConfiguration()
    bare.data = configuration.data
    // These two are for those who take the samples.
    bare.data.normalization = .none
    bare.data.augment = []
    return Digest128(of: Array(bare.yaml.utf8))
  }

  /// What is told of the samples besides themselves; nil where there is a text.
  private struct Outline: Codable {
    let hasTest: Bool
    let columns: [String]?
  }

  package func add(to archive: inout DataArchive) {
    switch self {
    case .text(let text):
      archive.add(Outline?.none)
      text.add(to: &archive)
    case .samples(let samples):
      archive.add(Outline(hasTest: samples.test != nil, columns: samples.columns))
      samples.training.add(to: &archive)
      samples.test?.add(to: &archive)
    }
  }

  package init(from archive: inout DataArchive.Reader) throws(DatasetError) {
    guard let outline = try archive.next(Outline?.self) else {
      self = .text(try TextData(from: &archive))
      return
    }
    let training = try StoredSamples(from: &archive)
    let test = try outline.hasTest ? StoredSamples(from: &archive) : nil
    self = .samples(Samples(training: training, test: test, columns: outline.columns))
  }
}

extension RunConfiguration {
  /// The training samples cut in two, as `validation` says; nil where nothing is held out.
  func holdOut(
    of samples: any Dataset
  ) throws(DatasetError) -> (training: Subset, validation: Subset)? {
    if let fold = validation.wholeFold { return try samples.hold(fold, seed: UInt64(seed)) }
    guard validation.fraction > 0 else { return nil }
    return try samples.holdOut(fraction: validation.fraction, .random(seed: UInt64(seed)))
  }
}
