/// Data that can lie in memory that several processes see: a few words about them, and many numbers.
///
/// One process reads them and puts them into an archive, which it writes to that memory. The others make the same data
/// of it, whose numbers stay where they are.
public protocol ShareableData: Sendable {
  /// Puts all that these data consist of into an archive.
  func add(to archive: inout DataArchive)
  /// Takes from an archive what `add(to:)` put there, in the same order.
  init(from archive: inout DataArchive.Reader) throws(DatasetError)
}

/// Images or tables, as they are read.
package enum StoredSamples: ShareableData {
  case images(ByteImages)
  case numbers(TensorDataset)

  package init(_ samples: any NormalizableDataset) {
    switch samples {
    case let images as ByteImages: self = .images(images)
    case let numbers as TensorDataset: self = .numbers(numbers)
    default: preconditionFailure("samples are read as bytes or as floats")
    }
  }

  package var dataset: any NormalizableDataset {
    switch self {
    case .images(let images): images
    case .numbers(let numbers): numbers
    }
  }

  private enum Kind: String, Codable { case images, numbers }

  package func add(to archive: inout DataArchive) {
    switch self {
    case .images(let images):
      archive.add(Kind.images)
      images.add(to: &archive)
    case .numbers(let numbers):
      archive.add(Kind.numbers)
      numbers.add(to: &archive)
    }
  }

  package init(from archive: inout DataArchive.Reader) throws(DatasetError) {
    switch try archive.next(Kind.self) {
    case .images: self = .images(try ByteImages(from: &archive))
    case .numbers: self = .numbers(try TensorDataset(from: &archive))
    }
  }
}
