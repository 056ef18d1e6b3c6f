import TensorCore

/// Batch normalization, as a layer may write it into a graph.
extension Graph {
  /// (x − mean) / √(variance + ε) · weight + bias, each channel for itself.
  ///
  /// In training, mean and variance are those of the pass, one shard of the batch, and the running ones follow
  /// them: the mean, and the variance as it is estimated for all samples, over n − 1. Otherwise they are the
  /// running ones.
  ///
  /// - Parameters:
  ///   - x: [batch, channels] or [batch, channels, …]
  ///   - weight: [channels]
  ///   - bias: [channels]
  ///   - runningMean: a buffer, [channels]
  ///   - runningVariance: a buffer, [channels]
  ///   - epsilon: keeps the root away from 0.
  ///   - isFrozen: whether training, too, takes the running statistics, and leaves them as they are.
  public mutating func batchNormalization(
    _ x: Node, weight: Node, bias: Node, runningMean: Node, runningVariance: Node, epsilon: Double = 1e-5,
    isFrozen: Bool = false
  ) throws(GraphError) -> Node {
    let form = try normalizationForm(x, [weight, bias, runningMean, runningVariance], epsilon)
    let statistics: Node
    if isTraining && !isFrozen {
      let count = form.valuesPerChannel
      guard count > 1 else {
        throw GraphError(
          at: layer, expected: "at least two values of each channel in a shard, to tell a variance from",
          found: "one: a shard of 1 sample, \(shape(of: x))",
          remedy:
            "Use a larger batch or fewer shards, so that each shard has two samples or more; where only an "
            + "epoch's last batch is too small, set lastBatch: drop.")
      }
      statistics = channelStatistics(form, x)
      record(statistic: view(statistics, offset: 0, [form.channels]), for: runningMean)
      let variance = view(statistics, offset: form.channels, [form.channels])
      record(statistic: scale(variance, by: Double(count) / Double(count - 1)), for: runningVariance)
    } else {
      statistics = try reshape(concatenate([runningMean, runningVariance], axis: 0), [2, form.channels])
    }
    return append(.normalize(form), [x, statistics, weight, bias], shape(of: x))
  }

  private mutating func channelStatistics(_ form: BatchNormalizationForm, _ x: Node) -> Node {
    append(.channelStatistics(form), [x], [2, form.channels])
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

  /// The gradients of `normalize`'s operands x, statistics, weight and bias. Where the statistics are x's own,
  /// what flows through them is in the gradient of x; otherwise they are constants.
  mutating func normalizeGradients(
    _ form: BatchNormalizationForm, _ operands: [Node], _ dy: Node, wanted: [Bool]
  ) -> [Node?] {
    let (x, statistics) = (operands[0], operands[1])
    var isOwn = false
    if case .channelStatistics = records[statistics.index].operation {
      isOwn = records[statistics.index].operands == [x]
    }
    let channels: Shape = [form.channels]
    func part(_ start: Int) -> Operation {
      .slice(RunForm(rows: 1, whole: 2 * form.channels, part: form.channels, start: start))
    }
    let sums = append(.normalizeSums(form), operands + [dy], [2, form.channels])
    let weight = wanted[2] ? append(part(0), [sums], channels) : nil
    let bias = wanted[3] ? append(part(form.channels), [sums], channels) : nil
    let dx: Node? =
      !wanted[0]
      ? nil
      : isOwn
        ? append(.normalizeGradient(form), [dy] + operands + [sums], shape(of: x))
        : append(.frozenNormalizeGradient(form), [dy] + operands, shape(of: x))
    return [dx, nil, weight, bias]
  }
}
