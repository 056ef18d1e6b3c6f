import TensorCore

/// Batch normalization, as a layer may write it into a graph.
extension Graph {
  /// (x − mean) / √(variance + ε) · weight + bias, each channel for itself.
  ///
  /// In training, mean and variance are those of the pass, one shard of the batch, or where they are synchronized
  /// those of the whole batch. The running ones follow them: the mean, and the variance as it is estimated for
  /// all samples, over n − 1. Otherwise they are the running ones.
  ///
  /// - Parameters:
  ///   - x: [batch, channels] or [batch, channels, …]
  ///   - weight: [channels]
  ///   - bias: [channels]
  ///   - runningMean: a buffer, [channels]
  ///   - runningVariance: a buffer, [channels]
  ///   - epsilon: keeps the root away from 0.
  ///   - isFrozen: whether training, too, takes the running statistics, and leaves them as they are.
  ///   - isSynchronized: whether mean and variance are those of all shards together.
  public mutating func batchNormalization(
    _ x: Node, weight: Node, bias: Node, runningMean: Node, runningVariance: Node, epsilon: Double = 1e-5,
    isFrozen: Bool = false, isSynchronized: Bool = false
  ) throws(GraphError) -> Node {
    let form = try normalizationForm(x, [weight, bias, runningMean, runningVariance], epsilon)
    let statistics: Node
    if isTraining && !isFrozen {
      let own = append(.channelStatistics(form), [x], [2, form.channels])
      let unbiased: Node
      if isSynchronized {
        let whole = append(.synchronize(form.synchronization(.statistics)), [own], [3, form.channels])
        statistics = view(whole, offset: 0, [2, form.channels])
        unbiased = view(whole, offset: 2 * form.channels, [form.channels])
      } else {
        statistics = own
        unbiased = try unbiasedVariance(form, own, shape(of: x))
      }
      record(statistic: view(statistics, offset: 0, [form.channels]), for: runningMean)
      record(statistic: unbiased, for: runningVariance)
    } else {
      statistics = try reshape(concatenate([runningMean, runningVariance], axis: 0), [2, form.channels])
    }
    return append(.batchNormalization(form), [x, statistics, weight, bias], shape(of: x))
  }

  /// The variance of a shard as it is estimated for all samples.
  private mutating func unbiasedVariance(
    _ form: BatchNormalizationForm, _ statistics: Node, _ shape: Shape
  ) throws(GraphError) -> Node {
    let count = form.valuesPerChannel
    guard count > 1 else {
      throw GraphError(
        at: layer, expected: "at least two values of each channel in a shard, to tell a variance from",
        found: "one: a shard of 1 sample, \(shape)",
        remedy:
          "Use a larger batch or fewer shards, so that each shard has two samples or more; where only an "
          + "epoch's last batch is too small, set lastBatch: drop. Synchronized batch normalization needs two "
          + "samples in the whole batch only.")
    }
    let variance = view(statistics, offset: form.channels, [form.channels])
    return scale(variance, by: Double(count) / Double(count - 1))
  }

  private func normalizationForm(
    _ x: Node, _ vectors: [Node], _ epsilon: Double
  ) throws(GraphError) -> BatchNormalizationForm {
    let old = shape(of: x)
    guard old.rank >= 2, vectors.allSatisfy({ shape(of: $0) == [old[1]] }) else {
      throw GraphError(
        at: layer,
        expected:
          "[batch, channels] or [batch, channels, …] to normalize, with as many channels as the layer has",
        found: "\(old), and \(vectors.map { shape(of: $0).description }[0]) a channel",
        remedy: "Make the layer's channels equal to what the layer before it gives.")
    }
    return BatchNormalizationForm(
      batch: old[0], channels: old[1], spatial: old.count / (old[0] * old[1]), epsilon: epsilon)
  }

  /// The gradients of `batchNormalization`'s operands x, statistics, weight and bias. Where the statistics are x's own, or
  /// those of all shards' x, what flows through them is in the gradient of x; otherwise they are constants.
  mutating func normalizeGradients(
    _ form: BatchNormalizationForm, _ operands: [Node], _ dy: Node, wanted: [Bool]
  ) -> [Node?] {
    let (x, statistics) = (operands[0], operands[1])
    let origin = origin(ofStatistics: statistics, of: x)
    let channels: Shape = [form.channels]
    func part(_ start: Int) -> Operation {
      .slice(RunForm(rows: 1, whole: 2 * form.channels, part: form.channels, start: start))
    }
    let sums = append(.batchNormalizationSums(form), operands + [dy], [2, form.channels])
    let weight = wanted[2] ? append(part(0), [sums], channels) : nil
    let bias = wanted[3] ? append(part(form.channels), [sums], channels) : nil
    guard wanted[0] else { return [nil, nil, weight, bias] }
    let dx: Node
    switch origin {
    case .shard: dx = append(.batchNormalizationGradient(form), [dy] + operands + [sums], shape(of: x))
    case .batch:
      let whole = append(.synchronize(form.synchronization(.sums)), [sums], [2, form.channels])
      dx = append(.batchNormalizationGradient(form), [dy] + operands + [whole], shape(of: x))
    case .elsewhere: dx = append(.frozenBatchNormalizationGradient(form), [dy] + operands, shape(of: x))
    }
    return [dx, nil, weight, bias]
  }

  /// What statistics were made from.
  private enum StatisticsOrigin { case shard, batch, elsewhere }

  private func origin(ofStatistics node: Node, of x: Node) -> StatisticsOrigin {
    let record = records[node.index]
    switch record.operation {
    case .channelStatistics: return record.operands == [x] ? .shard : .elsewhere
    case .view(offset: 0):
      let source = records[record.operands[0].index]
      guard case .synchronize = source.operation else { return .elsewhere }
      return records[source.operands[0].index].operands == [x] ? .batch : .elsewhere
    default: return .elsewhere
    }
  }
}

extension BatchNormalizationForm {
  fileprivate func synchronization(_ kind: SynchronizationForm.Kind) -> SynchronizationForm {
    SynchronizationForm(kind, channels: channels, valuesPerSample: spatial)
  }
}
