import TensorCore

/// A random change of images that leaves what they show the same, drawn anew for each sample in each epoch.
///
/// Sizes are in pixels or shares of the image; colours count from 0 (black) to 1.
public enum Augmentation: Sendable, Hashable {
  /// Left and right change places with this probability.
  case horizontalFlip(probability: Float = 0.5)
  /// The image moves by up to `padding` whole pixels each way; black comes in at its edges.
  case crop(padding: Int)
  /// The image turns by up to `rotation` degrees, moves by up to `translation` times its size each way, and
  /// is enlarged by a factor from `scale`; linear between pixels, black around it.
  case affine(rotation: Float = 0, translation: Float = 0, scale: ClosedRange<Float> = 1...1)
  /// Brightness, contrast and saturation are each multiplied by a factor from 1 − x to 1 + x, in this order,
  /// and colours cut off below 0 and above 1 after each.
  case colorJitter(brightness: Float = 0, contrast: Float = 0, saturation: Float = 0)
  /// A square of `size` pixels a side, its middle anywhere in the image, becomes 0: the mean colour of
  /// images normalized by `standard`, black otherwise (DeVries and Taylor, 2017).
  case cutout(size: Int)
  /// The image becomes λ times itself plus 1 − λ times another sample, with λ from Beta(α, α), and its target
  /// the classes' probabilities λ and 1 − λ (Zhang et al., "mixup", ICLR 2018).
  case mixup(alpha: Float)

  /// In which order augmentations happen, and the layer of their random streams: what does not depend on
  /// how they were listed. Part of the promise that a seed means the same run tomorrow: add, never renumber.
  var stage: UInt64 {
    switch self {
    case .affine: 1
    case .crop: 2
    case .horizontalFlip: 3
    case .colorJitter: 4
    case .cutout: 5
    case .mixup: 6
    }
  }

  /// What it is called in messages, and in configurations.
  public var name: String {
    switch self {
    case .horizontalFlip: "horizontalFlip"
    case .crop: "crop"
    case .affine: "affine"
    case .colorJitter: "colorJitter"
    case .cutout: "cutout"
    case .mixup: "mixup"
    }
  }

  /// Throws where it does not fit images of this shape, or its numbers make no sense.
  func check(_ image: ImageShape, target: Target) throws(DatasetError) {
    let smaller = min(image.height, image.width)
    switch self {
    case .horizontalFlip(let probability):
      try require(0...1 ~= probability, "a probability from 0 to 1", "\(probability)")
    case .crop(let padding):
      try require(
        1...smaller ~= padding, "padding from 1 to the image's smaller side, \(smaller)", "\(padding)")
    case .affine(let rotation, let translation, let scale):
      try require(0...180 ~= rotation, "a rotation of 0 to 180 degrees", "\(rotation)")
      try require(0...1 ~= translation, "a translation of 0 to 1 times the size", "\(translation)")
      try require(
        scale.lowerBound >= 0.01 && scale.upperBound <= 100, "scales from 0.01 to 100", "\(scale)")
    case .colorJitter(let brightness, let contrast, let saturation):
      for (name, value) in [("brightness", brightness), ("contrast", contrast), ("saturation", saturation)] {
        try require(0...1 ~= value, "\(name) from 0 to 1", "\(value)")
      }
      try require(
        saturation == 0 || image.channels == 3, "images of three channels, for saturation",
        "\(image.channels)")
    case .cutout(let size):
      try require(
        1...2 * smaller ~= size, "a size from 1 to twice the image's smaller side, \(smaller)", "\(size)")
    case .mixup(let alpha):
      try require(alpha > 0 && alpha <= 1000, "alpha above 0", "\(alpha)")
      guard case .classes(_, perSample: 1) = target else {
        throw wrong("samples with a class each", "\(target)")
      }
    }
  }

  private func require(_ holds: Bool, _ expected: String, _ found: String) throws(DatasetError) {
    if !holds { throw wrong(expected, found) }
  }

  private func wrong(_ expected: String, _ found: String) -> DatasetError {
    DatasetError(
      at: "the augmentation \(name)", expected: expected, found: found,
      remedy: "Change it, or take it out of the list data.augment.")
  }
}

/// The shape of images, planes behind one another.
package struct ImageShape {
  package let channels: Int
  package let height: Int
  package let width: Int
  package var area: Int { height * width }
  package var size: Int { channels * area }

  package init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }
}
