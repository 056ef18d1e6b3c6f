import TensorCore

extension Operation {
  /// Pooling and normalization work in either layout, plain or in blocks of channels: the operation on operands
  /// as they lie, the block that it then wants for each operand, and that of its result; 0 is plain. `nil` for
  /// all other operations.
  ///
  /// - Parameters:
  ///   - block: that of this processor, for an operation that makes images of what has no layout.
  ///   - given: the blocks in which the operands lie.
  package func laidOutAsGiven(
    _ given: [Int], block: Int
  ) -> (operation: Operation, operands: [Int], result: Int)? {
    let shared = given.max() ?? 0
    switch self {
    case .pool(var form):
      form.block = shared
      return (.pool(form), [shared], shared)
    case .maxPoolGradient(var form):
      form.block = shared
      return (.maxPoolGradient(form), [shared, shared], shared)
    case .averagePoolGradient(var form):
      form.block = shared
      return (.averagePoolGradient(form), [shared], shared)
    case .globalAverage(var form):
      form.block = shared
      return (.globalAverage(form), [shared], 0)
    case .globalAverageGradient(var form):
      form.block = block > 0 && form.channels % block == 0 ? block : 0
      return (.globalAverageGradient(form), [0], form.block)
    case .channelStatistics(var form):
      form.block = shared
      return (.channelStatistics(form), [shared], 0)
    case .batchNormalization(var form):
      form.block = shared
      return (
        .batchNormalization(form), form.addsResidual ? [shared, 0, 0, 0, shared] : [shared, 0, 0, 0], shared
      )
    case .batchNormalizationSums(var form):
      form.block = shared
      return (.batchNormalizationSums(form), [shared, 0, 0, 0, shared], 0)
    case .batchNormalizationGradient(var form):
      form.block = shared
      return (.batchNormalizationGradient(form), [shared, shared, 0, 0, 0, 0], shared)
    case .frozenBatchNormalizationGradient(var form):
      form.block = shared
      return (.frozenBatchNormalizationGradient(form), [shared, shared, 0, 0, 0], shared)
    default: return nil
    }
  }
}
