import TensorCore

/// Well-known convolutional networks for images [batch, channels, height, width], as lists of parts.
extension Sequential {
  /// Two convolutions with pooling and two dense layers, after LeCun et al. 1998, with ReLU and today's widths.
  public static func lenet(classes: Int, initialValue: InitialValue = .pytorch) -> Sequential {
    let parts: [Part] = [
      .convolution(32, kernel: 3), .activation(.relu), .maxPooling(2),
      .convolution(64, kernel: 3), .activation(.relu), .maxPooling(2),
      .flatten, .dense(128), .activation(.relu), .dense(classes),
    ]
    return Sequential(parts, initialValue: initialValue)
  }

  /// Three stages of two convolutions with batch normalization, after Simonyan and Zisserman 2015, small enough for
  /// images of 32 × 32.
  public static func vggSmall(
    classes: Int, dropout: Double = 0, synchronizesBatchNormalization: Bool = false
  ) -> Sequential {
    var parts: [Part] = []
    for channels in [32, 64, 128] {
      for _ in 0..<2 {
        parts += [
          .convolution(channels, kernel: 3, padding: 1, usesBias: false), .batchNormalization,
          .activation(.relu),
        ]
      }
      parts.append(.maxPooling(2))
    }
    parts += [.flatten, .dense(256), .activation(.relu)]
    if dropout > 0 { parts.append(.dropout(dropout)) }
    return Sequential(
      parts + [.dense(classes)], initialValue: .heNormal,
      synchronizesBatchNormalization: synchronizesBatchNormalization)
  }

  /// Dense layers that narrow to a code and widen again to the input, which they are trained to give back.
  ///
  /// - Parameters:
  ///   - inputShape: of a sample.
  ///   - widths: of the encoder's layers, the code last; the decoder has them in reverse.
  public static func autoencoder(
    inputShape: [Int], widths: [Int], activation: Activation = .relu, initialValue: InitialValue = .pytorch
  ) -> Sequential {
    var parts: [Part] = [.flatten]
    for width in widths + widths.dropLast().reversed() {
      parts += [.dense(width), .activation(activation)]
    }
    return Sequential(
      parts + [.dense(inputShape.reduce(1, *)), .reshape(inputShape)], initialValue: initialValue)
  }

  /// Convolutions of stride 2 that halve an image at each step, and transposed ones that double it again. Height and
  /// width must be divisible by 2 that often.
  ///
  /// - Parameters:
  ///   - channels: of the image.
  ///   - widths: channels of the encoder's layers, those of the code last.
  public static func convolutionalAutoencoder(
    channels: Int, widths: [Int], activation: Activation = .relu
  ) -> Sequential {
    var parts: [Part] = []
    for width in widths {
      parts += [.convolution(width, kernel: 3, stride: 2, padding: 1), .activation(activation)]
    }
    for width in widths.dropLast().reversed() {
      parts += [
        .transposedConvolution(width, kernel: 3, stride: 2, padding: 1, outputPadding: 1),
        .activation(activation),
      ]
    }
    return Sequential(
      parts + [.transposedConvolution(channels, kernel: 3, stride: 2, padding: 1, outputPadding: 1)])
  }
}
