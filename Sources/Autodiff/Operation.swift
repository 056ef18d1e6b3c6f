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
  /// [batch] or [batch · labels of a sample], the classes, from the loader.
  case labels
  /// [batch], how much each sample counts, from the loader.
  case weights
  /// The parameter with this index in `Graph.parameters`.
  case parameter(Int)
  /// The buffer with this index in `Graph.buffers`.
  case buffer(Int)
  /// A scalar.
  case constant(Double)

  // Linear algebra.
  /// a [rows, depth], b [depth, columns], each possibly stored transposed; bias [columns] and residual [rows,
  /// columns] where the epilogue says so.
  case matrixProduct(transposeA: Bool, transposeB: Bool, epilogue: Epilogue)

  // Element by element.
  /// x
  case activation(Activation)
  /// y (the activation's result) or x, as `gradientReadsInput` says; dy
  case activationGradient(Activation)
  /// a, b of one shape
  case add
  /// a, b of one shape
  case multiply
  /// x
  case scale(Double)

  // Shape.
  /// x; the elements from this one on, as many as the result has, seen as another shape. No data moves.
  case view(offset: Int)
  /// x; a part of an axis.
  case slice(RunForm)
  /// x; zeros around it along an axis.
  case pad(RunForm)
  /// a, b; one behind the other along an axis: so many rows, so many elements of each in a row.
  case concatenate(rows: Int, first: Int, second: Int)
  /// x; two axes change places.
  case transpose(TransposeForm)
  /// x; the axis goes.
  case reduceSum(axis: Int)
  /// x; the axis comes.
  case broadcast(axis: Int, count: Int)
  /// labels
  case oneHot(classes: Int)

  /// x; 1 where it is not this value, elsewhere 0
  case differs(from: Double)
  // Images: [batch, channels, height, width].
  /// x, weight; a bias [channels] where the form adds one; statistics, weight and bias where it normalizes x
  case convolution(ConvolutionForm)
  /// dy, weight; what is added, and the result of a ReLU, where the form says so; also the transposed convolution
  case convolutionInputGradient(ConvolutionForm)
  /// x, dy; statistics, weight and bias where the form normalizes x
  case convolutionWeightGradient(ConvolutionForm)
  /// x, bias [channels]
  case addToChannels(ImageTensorForm)
  /// x: a sum a channel
  case sumOfChannels(ImageTensorForm)
  /// x; the same images in another layout
  case reorder(ReorderForm)

  // Over the last axis.
  /// x
  case softmax
  /// y (softmax's result), dy
  case softmaxGradient
  /// x, weight, bias where the form says so
  case rowNormalization(NormalizationForm)
  /// x, dy, weight, and another gradient of x where the form adds one
  case rowNormalizationInputGradient(NormalizationForm)
  /// x, dy → the gradients of weight and, where the form has one, bias, one behind the other
  case rowNormalizationSums(NormalizationForm)

  // Sequences.
  /// tokens, table
  case embedding(EmbeddingForm)
  /// tokens, dy
  case embeddingGradient(EmbeddingForm)
  /// packed queries, keys and values; mask where the form says so
  case attention(AttentionForm)
  /// packed queries, keys and values; dy; mask where the form says so
  case attentionGradient(AttentionForm)

  // Over all time steps of a recurrent layer: packed results, see `RecurrentForm`.
  /// sums [steps, batch, gates · hidden], the recurrent weight, and its bias where the form uses one
  case recurrent(RecurrentForm)
  /// y (the packed result), the states' gradient, the recurrent weight
  case recurrentGradient(RecurrentForm)
  /// y (the packed result), the packed gradient of the sums
  case recurrentWeightGradient(RecurrentForm)

  // Pooling: images [batch, channels, height, width], plain or in blocks of channels as the form says.
  /// x
  case pool(PoolingForm)
  /// x, dy
  case maxPoolGradient(PoolingForm)
  /// dy
  case averagePoolGradient(PoolingForm)
  /// x → [batch, channels]
  case globalAverage(PoolingForm)
  /// dy [batch, channels]
  case globalAverageGradient(PoolingForm)

  // Batch normalization: [batch, channels, …], plain or in blocks of channels as the form says.
  /// x → [2, channels], the mean and the biased variance; the gradient of `batchNormalization` takes x's part in them
  case channelStatistics(BatchNormalizationForm)
  /// x, statistics, weight, bias; what is added where the form says so
  case batchNormalization(BatchNormalizationForm)
  /// x, statistics, weight, bias, dy → [2, channels], the gradients of weight and bias
  case batchNormalizationSums(BatchNormalizationForm)
  /// dy, x, statistics, weight, bias, sums: where the statistics are x's own
  case batchNormalizationGradient(BatchNormalizationForm)
  /// dy, x, statistics, weight, bias: where the statistics are constants
  case frozenBatchNormalizationGradient(BatchNormalizationForm)
  /// A vector of this shard, [2, channels] → what those of all shards of the batch make together. Nothing here
  /// computes it: a plan's run stops before it, see `Plan.synchronizations`.
  case synchronize(SynchronizationForm)

  // Random.
  /// x
  case dropout(DropoutForm)

  // Losses: [rows], a number a row.
  /// logits [rows, classes], labels
  case crossEntropy(smoothing: Double)
  /// logits, labels, the losses' gradients [rows]
  case crossEntropyGradient(smoothing: Double)
  /// logits [rows, classes], probabilities of the same shape
  case softCrossEntropy(smoothing: Double)
  /// logits, probabilities, the losses' gradients [rows]
  case softCrossEntropyGradient(smoothing: Double)
  /// prediction [rows, values], target: the mean over a row's values
  case valueLoss(ValueLoss)
  /// prediction, target, the losses' gradients [rows]
  case valueLossGradient(ValueLoss)
  /// logits [rows, classes], labels: a scalar, the number of rows classified correctly
  case countCorrect
  /// logits [rows, classes], probabilities: a scalar, the number of rows whose most probable class is right
  case countAgreeing

  /// What is done to a matrix product's result while it is still in cache.
  package struct Epilogue: Hashable, Sendable {
    package var addsBias = false
    package var activation: Activation?
    /// Whether another tensor of the result's size is added, where there is no activation.
    package var addsResidual = false

    package static let none = Epilogue()
  }

  package var isLeaf: Bool {
    switch self {
    case .input, .target, .labels, .weights, .parameter, .buffer: true
    default: false
    }
  }

  /// The operands that may lose their place to the result, because the kernel reads each of their elements before
  /// it writes that element of the result.
  package var overwritableOperands: [Int] {
    switch self {
    case .convolutionInputGradient: [2, 3]
    case .batchNormalization(let form) where form.addsResidual: [0, 4]
    case .activation, .scale, .dropout, .addToChannels, .crossEntropyGradient, .softCrossEntropyGradient,
      .batchNormalization:
      [0]
    case .activationGradient, .add, .multiply, .softmax, .softmaxGradient, .valueLossGradient,
      .batchNormalizationGradient, .frozenBatchNormalizationGradient:
      [0, 1]
    case .rowNormalizationInputGradient(let form): form.addsGradient ? [0, 1, 3] : [0, 1]
    default: []
    }
  }

  /// Elements of scratch memory that the kernel needs while it runs.
  package var scratchCount: Int {
    switch self {
    case .recurrent(let form): form.scratchCount
    case .recurrentGradient(let form): form.gradientScratchCount
    case .attention(let form): form.scratchCount
    case .attentionGradient(let form): form.gradientScratchCount
    case .convolution(let form): form.scratchCount(.forward)
    case .convolutionInputGradient(let form): form.scratchCount(.inputGradient)
    case .convolutionWeightGradient(let form): form.scratchCount(.weightGradient)
    case .pool(let form), .maxPoolGradient(let form), .averagePoolGradient(let form): form.scratchCount
    default: 0
    }
  }
}
