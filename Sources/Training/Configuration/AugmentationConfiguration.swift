import Datasets

/// One entry of `data.augment`: a random change of training images.
public struct AugmentationConfiguration: Sendable, Equatable, ConfigurationSection {
  /// What is done; each kind has fields of its own below.
  public enum Kind: String, Sendable, CaseIterable {
    case horizontalFlip, crop, affine, colorJitter, cutout, mixup
  }

  public var kind = Kind.horizontalFlip
  /// Of a flip.
  public var probability = 0.5
  /// Pixels.
  public var padding = 4
  /// Degrees.
  public var rotation = 0.0
  /// A share of the image's size.
  public var translation = 0.0
  /// The smallest and the largest factor.
  public var minimumScale = 1.0
  public var maximumScale = 1.0
  /// How far the factor of each lies from 1 at most.
  public var brightness = 0.0
  public var contrast = 0.0
  public var saturation = 0.0
  /// Pixels.
  public var size = 8
  /// Of mixup's Beta(α, α): the larger, the more even the mixtures.
  public var alpha = 0.2

  public init() {}

  mutating func read(from reader: ConfigurationReader) throws(ConfigurationError) {
    try reader.require(
      "type", expected: "one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))",
      remedy: "Say what is to be done, as in {type: horizontalFlip}.")
    try reader.choice("type", &kind)
    switch kind {
    case .horizontalFlip: try reader.number("probability", &probability, .unit)
    case .crop: try reader.integer("padding", &padding, in: 1...4096)
    case .affine:
      try reader.number("rotation", &rotation, .notNegative)
      try reader.number("translation", &translation, .unit)
      try reader.number("minimumScale", &minimumScale, .positive)
      try reader.number("maximumScale", &maximumScale, .positive)
      try reader.require(
        minimumScale <= maximumScale, at: "maximumScale",
        expected: "at least minimumScale, \(minimumScale)", found: "\(maximumScale)",
        remedy: "Exchange the two.")
    case .colorJitter:
      try reader.number("brightness", &brightness, .unit)
      try reader.number("contrast", &contrast, .unit)
      try reader.number("saturation", &saturation, .unit)
    case .cutout: try reader.integer("size", &size, in: 1...8192)
    case .mixup: try reader.number("alpha", &alpha, .positive)
    }
  }

  var augmentation: Augmentation {
    switch kind {
    case .horizontalFlip: .horizontalFlip(probability: Float(probability))
    case .crop: .crop(padding: padding)
    case .affine:
      .affine(
        rotation: Float(rotation), translation: Float(translation),
        scale: Float(minimumScale)...Float(maximumScale))
    case .colorJitter:
      .colorJitter(
        brightness: Float(brightness), contrast: Float(contrast), saturation: Float(saturation))
    case .cutout: .cutout(size: size)
    case .mixup: .mixup(alpha: Float(alpha))
    }
  }
}
