import TensorCore

/// The closed set of operations: this enum is the table of contents of what a plan can compute.
///
/// Operands are listed behind each case. Every operation has one result.
package enum Operation: Hashable, Sendable {
  // Leaves: what a step is given.
  /// [batch, …], from the loader.
  case input
  /// [batch, …], the values that a regression should predict, from the loader.
  case target
  /// [batch], the class of each sample, from the loader.
  case labels
  /// The parameter with this index in `Graph.parameters`.
  case parameter(Int)
  /// A scalar.
  case constant(Double)

  // Linear algebra.
  /// a [rows, depth], b [depth, columns], each possibly stored transposed; bias [columns] where the
  /// epilogue says so.
  case matrixProduct(transposeA: Bool, transposeB: Bool, epilogue: Epilogue)

  // Element by element.
  /// x
  case activation(Activation)
  /// y (the activation's result), dy
  case activationGradient(Activation)
  /// a, b of one shape
  case add
  /// a, b of one shape
  case multiply
  /// x
  case scale(Double)

  // Shape.
  /// x; no data moves.
  case reshape
  /// x; the axis goes.
  case reduceSum(axis: Int)
  /// x; the axis comes.
  case broadcast(axis: Int, count: Int)
  /// labels
  case oneHot(classes: Int)

  // Images: [batch, channels, height, width].
  /// x, weight, and a bias [channels] where the form adds one
  case convolution(ConvolutionForm)
  /// dy, weight; also the transposed convolution
  case convolutionInputGradient(ConvolutionForm)
  /// x, dy
  case convolutionWeightGradient(ConvolutionForm)
  /// x, bias [channels]
  case addToChannels(ImageForm)
  /// x: a sum a channel
  case sumOfChannels(ImageForm)
  /// x; the same images in another layout
  case reorder(ReorderForm)

  // Over the last axis.
  /// x
  case softmax
  /// y (softmax's result), dy
  case softmaxGradient

  // Losses: a scalar, the sum over the batch.
  /// logits [batch, classes], labels
  case crossEntropy
  /// logits, labels, the loss's gradient (a scalar)
  case crossEntropyGradient
  /// prediction [batch, values], target: the mean over the values of a sample, summed over the batch
  case squaredError
  /// prediction, target, the loss's gradient (a scalar)
  case squaredErrorGradient
  /// logits [batch, classes], labels: a scalar, the number of samples classified correctly
  case countCorrect

  /// What is done to a matrix product's result while it is still in cache.
  package struct Epilogue: Hashable, Sendable {
    package var addsBias = false
    package var activation: Activation?

    package static let none = Epilogue()
  }

  package var isLeaf: Bool {
    switch self {
    case .input, .target, .labels, .parameter: true
    default: false
    }
  }

  /// Whether the kernel reads each element of its first `count` operands before it writes that element of
  /// its result, so that the result may take an operand's place.
  package var mayOverwriteOperands: Bool {
    switch self {
    case .activation, .activationGradient, .add, .addToChannels, .multiply, .scale, .softmax,
      .softmaxGradient,
      .crossEntropyGradient, .squaredErrorGradient:
      true
    default: false
    }
  }
}
