/// What a model is trained to make small: the mean of it over the samples.
public struct Loss: Sendable, Hashable {
  public enum Kind: String, Sendable, CaseIterable {
    /// −Σ q log softmax(logits), q the right class or how probable each class is.
    case crossEntropy
    /// −t log σ(p) − (1 − t) log(1 − σ(p)), the mean over a sample's values; p is a logit.
    case binaryCrossEntropy
    /// (prediction − target)², the mean over a sample's values.
    case meanSquaredError
    /// |prediction − target|, the mean over a sample's values.
    case meanAbsoluteError
    /// ½(prediction − target)² up to a distance of δ, δ(distance − δ/2) beyond; the mean over a sample's values.
    case huber
  }

  public var kind: Kind
  /// ε of cross-entropy: q = (1 − ε)·target + ε/classes. Szegedy et al. 2016.
  public var labelSmoothing: Double
  /// δ of Huber's loss.
  public var delta: Double

  /// Losses of values take labels as vectors of ones and zeros.
  public init(_ kind: Kind, labelSmoothing: Double = 0, delta: Double = 1) {
    precondition((0..<1).contains(labelSmoothing) && delta > 0)
    self.kind = kind
    self.labelSmoothing = labelSmoothing
    self.delta = delta
  }

  public static let crossEntropy = Loss(.crossEntropy)
  public static let binaryCrossEntropy = Loss(.binaryCrossEntropy)
  public static let meanSquaredError = Loss(.meanSquaredError)
  public static let meanAbsoluteError = Loss(.meanAbsoluteError)
  public static let huber = Loss(.huber)
}
