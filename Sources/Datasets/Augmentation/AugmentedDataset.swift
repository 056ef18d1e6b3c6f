import TensorCore

/// Images of another data set, changed by chance, in another way each epoch: for training only.
///
/// A sample's changes depend on nothing but (seed, epoch, the sample's number), whatever batch it is in and
/// whichever rank asks for it. They happen in one order, however they are listed: affine, crop, flip, colours,
/// cutout, mixup. Pixels that come in from outside are black; `cutout` writes zeros, which is the mean where
/// images are normalized by `standard`. All of it is done on the normalized numbers, except for colours, for
/// which the normalization is undone and done again.
///
/// Mixup's other sample is any of the data set, with its own changes of that epoch.
public struct AugmentedDataset: Dataset {
  /// The images as they are.
  public let base: any Dataset
  /// In the order in which they happen.
  public let augmentations: [Augmentation]
  public let target: Target
  private let seed: UInt64
  private let shape: ImageShape
  private let mixup: Float?
  /// What a black pixel is, and the span from black to white, of each channel after normalization.
  private let black: [Float]
  private let span: [Float]
  private let scratch: ScratchPool

  public var count: Int { base.count }
  public var inputShape: [Int] { base.inputShape }
  public var isWeighted: Bool { base.isWeighted }
  public var classNames: [String] { base.classNames }
  public var normalization: Normalization { base.normalization }

  /// Wraps the images to train on, [channels, height, width].
  ///
  /// With `mixup` the target becomes `.probabilities`. Throws where the samples are no images, an
  /// augmentation is listed twice, or one does not fit the images.
  public init(
    _ base: any Dataset, _ augmentations: [Augmentation], seed: UInt64
  ) throws(DatasetError) {
    guard base.inputShape.count == 3 else {
      throw DatasetError(
        at: "the augmentations", expected: "images, [channels, height, width]",
        found: "samples of shape \(base.inputShape)", remedy: "Take data.augment out for these data.")
    }
    shape = ImageShape(
      channels: base.inputShape[0], height: base.inputShape[1], width: base.inputShape[2])
    for augmentation in augmentations { try augmentation.check(shape, target: base.target) }
    self.augmentations = augmentations.sorted { $0.stage < $1.stage }
    if let twice = zip(self.augmentations, self.augmentations.dropFirst()).first(where: {
      $0.stage == $1.stage
    }) {
      throw DatasetError(
        at: "the augmentations", expected: "each at most once", found: "\(twice.0.name) twice",
        remedy: "List it once, with the larger range.")
    }
    self.base = base
    self.seed = seed
    var alpha: Float?
    for case .mixup(let value) in augmentations { alpha = value }
    mixup = alpha
    target = mixup == nil ? base.target : .probabilities(base.target.classCount ?? 0)
    let normalization = base.normalization
    black = (0..<shape.channels).map { normalization.value(ofByte: 0, channel: $0) }
    let white = (0..<shape.channels).map { normalization.value(ofByte: 255, channel: $0) }
    span = zip(white, black).map { $0 - $1 }
    // One image for the moves, one for mixup's other sample.
    scratch = ScratchPool(size: 2 * shape.size, count: 2)
  }

  public func fill(
    _ samples: UnsafeBufferPointer<Int>, epoch: Int, inputs: UnsafeMutablePointer<Float>,
    targets: TargetMemory
  ) {
    scratch.withScratch { memory in
      guard let mixup else {
        base.fill(samples, epoch: epoch, inputs: inputs, targets: targets)
        for (row, sample) in samples.enumerated() {
          augment(inputs + row * shape.size, sample: sample, epoch: epoch, scratch: memory)
        }
        return
      }
      guard let probabilities = targets.values else {
        preconditionFailure("mixup needs memory for probabilities")
      }
      let classes = target.valuesPerSample
      for (row, sample) in samples.enumerated() {
        mix(
          sample, epoch: epoch, alpha: mixup, into: inputs + row * shape.size,
          probabilities: probabilities + row * classes, weight: targets.weights.map { $0 + row },
          scratch: memory)
      }
    }
  }

  public func digest() -> String {
    var hash = ContentHash()
    hash.add(base.digest())
    hash.add("\(augmentations) \(seed)")
    return digest(hash: hash)
  }

  // MARK: - One image

  private func stream(_ augmentation: Augmentation, sample: Int, epoch: Int) -> RandomStream {
    RandomStream(
      seed: seed, purpose: .augmentation, step: UInt64(epoch), sample: UInt64(sample),
      layer: augmentation.stage)
  }

  /// Changes one image in place.
  private func augment(
    _ image: UnsafeMutablePointer<Float>, sample: Int, epoch: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    for augmentation in augmentations {
      var stream = stream(augmentation, sample: sample, epoch: epoch)
      switch augmentation {
      case .affine(let rotation, let translation, let scale):
        let map = PixelGeometry.Map(
          degrees: stream.uniform(-rotation, rotation), scale: stream.uniform(scale),
          right: stream.uniform(-translation, translation) * Float(shape.width),
          down: stream.uniform(-translation, translation) * Float(shape.height))
        scratch.update(from: image, count: shape.size)
        black.withUnsafeBufferPointer { black in
          guard let black = black.baseAddress else { return }
          PixelGeometry.transform(scratch, shape, by: map, black: black, into: image)
        }
      case .crop(let padding):
        let down = stream.integer(below: 2 * padding + 1) - padding
        let right = stream.integer(below: 2 * padding + 1) - padding
        scratch.update(from: image, count: shape.size)
        black.withUnsafeBufferPointer { black in
          guard let black = black.baseAddress else { return }
          PixelGeometry.shift(scratch, shape, down: down, right: right, black: black, into: image)
        }
      case .horizontalFlip(let probability):
        if stream.uniform() < probability {
          PixelGeometry.flip(image, rows: shape.channels * shape.height, width: shape.width)
        }
      case .colorJitter(let brightness, let contrast, let saturation):
        jitter(image, brightness, contrast, saturation, by: &stream)
      case .cutout(let size):
        let row = stream.integer(below: shape.height)
        let column = stream.integer(below: shape.width)
        PixelGeometry.cut(image, shape, row: row, column: column, size: size)
      case .mixup: break
      }
    }
  }

  private func jitter(
    _ image: UnsafeMutablePointer<Float>, _ brightness: Float, _ contrast: Float, _ saturation: Float,
    by stream: inout RandomStream
  ) {
    // All three are drawn, so that one does not change with another's setting.
    let brightnessFactor = 1 + brightness * stream.uniform(-1, 1)
    let contrastFactor = 1 + contrast * stream.uniform(-1, 1)
    let saturationFactor = 1 + saturation * stream.uniform(-1, 1)
    for channel in 0..<shape.channels {
      let plane = image + channel * shape.area
      let (black, scale) = (black[channel], 1 / span[channel])
      for pixel in 0..<shape.area { plane[pixel] = (plane[pixel] - black) * scale }
    }
    if brightness > 0 { PixelColors.brighten(image, count: shape.size, by: brightnessFactor) }
    if contrast > 0 {
      PixelColors.contrast(image, channels: shape.channels, area: shape.area, by: contrastFactor)
    }
    if saturation > 0 { PixelColors.saturate(image, area: shape.area, by: saturationFactor) }
    for channel in 0..<shape.channels {
      let plane = image + channel * shape.area
      let (black, span) = (black[channel], span[channel])
      for pixel in 0..<shape.area { plane[pixel] = plane[pixel] * span + black }
    }
  }

  // MARK: - Two images

  /// Writes a sample, mixed with another one.
  private func mix(
    _ sample: Int, epoch: Int, alpha: Float, into image: UnsafeMutablePointer<Float>,
    probabilities: UnsafeMutablePointer<Float>, weight: UnsafeMutablePointer<Float>?,
    scratch: UnsafeMutablePointer<Float>
  ) {
    var stream = stream(.mixup(alpha: alpha), sample: sample, epoch: epoch)
    let share = stream.symmetricBeta(alpha)
    let partner = stream.integer(below: count)
    let other = scratch + shape.size
    var partnerWeight: Float = 0
    let partnerLabel = withUnsafeMutablePointer(to: &partnerWeight) {
      plain(partner, epoch: epoch, into: other, weight: weight == nil ? nil : $0, scratch: scratch)
    }
    let label = plain(sample, epoch: epoch, into: image, weight: weight, scratch: scratch)
    let rest = 1 - share
    for index in 0..<shape.size { image[index] = share * image[index] + rest * other[index] }
    probabilities.update(repeating: 0, count: target.valuesPerSample)
    probabilities[label] += share
    probabilities[partnerLabel] += rest
  }

  /// Writes one image with all changes but mixup; returns its class.
  private func plain(
    _ sample: Int, epoch: Int, into image: UnsafeMutablePointer<Float>,
    weight: UnsafeMutablePointer<Float>?, scratch: UnsafeMutablePointer<Float>
  ) -> Int {
    var label: Int32 = 0
    withUnsafeMutablePointer(to: &label) { label in
      withUnsafePointer(to: sample) { number in
        base.fill(
          UnsafeBufferPointer(start: number, count: 1), epoch: epoch, inputs: image,
          targets: TargetMemory(labels: label, weights: weight))
      }
    }
    augment(image, sample: sample, epoch: epoch, scratch: scratch)
    return Int(label)
  }
}

extension Dataset {
  /// Whether samples change by chance.
  var isAugmented: Bool {
    switch self {
    case is AugmentedDataset: true
    case let subset as Subset: subset.base.isAugmented
    default: false
    }
  }
}
