import TensorCore

/// Losses, a number a row. A sample's loss is the mean over its rows; the sum over the samples is what a plan
/// makes small, so that shards of any size add up.
extension Graph {
  /// −Σ q log softmax(logits): logits [rows, classes], labels [rows] → [rows], with
  /// q = (1 − smoothing)·oneHot(label) + smoothing/classes.
  public mutating func crossEntropy(
    _ logits: Node, _ labels: Node, smoothing: Double = 0
  ) throws(GraphError) -> Node {
    try requireLogits(logits, labels, "cross-entropy")
    return append(.crossEntropy(smoothing: smoothing), [logits, labels], shape(of: labels))
  }

  /// The same for targets that are probabilities, [rows, classes].
  public mutating func crossEntropy(
    _ logits: Node, probabilities: Node, smoothing: Double = 0
  ) throws(GraphError) -> Node {
    let (left, right) = (shape(of: logits), shape(of: probabilities))
    try require(
      left.rank == 2 && left == right, "logits and probabilities [rows, classes] for cross-entropy",
      "\(left) and \(right)")
    return append(.softCrossEntropy(smoothing: smoothing), [logits, probabilities], [left[0]])
  }

  /// The mean over a sample's values of what `kind` says: prediction and target [batch, …] → [batch].
  package mutating func valueLoss(
    _ kind: ValueLoss, _ prediction: Node, _ target: Node
  ) throws(GraphError) -> Node {
    let (left, right) = (shape(of: prediction), shape(of: target))
    try require(
      left.rank >= 1 && right.rank >= 1 && left.count == right.count && left[0] == right[0],
      "predictions of the targets' shape, \(right)", "\(left)")
    let flat: Shape = [left[0], left.count / left[0]]
    return append(
      .valueLoss(kind), [try reshape(prediction, flat), try reshape(target, flat)], [left[0]])
  }

  /// The number of rows whose largest logit is that of their label: a scalar without a gradient.
  public mutating func countCorrect(_ logits: Node, _ labels: Node) throws(GraphError) -> Node {
    try requireLogits(logits, labels, "an accuracy")
    return append(.countCorrect, [logits, labels], .scalar)
  }

  /// The number of rows whose largest logit is at the place of the largest probability: a scalar without
  /// a gradient.
  public mutating func countAgreeing(_ logits: Node, _ probabilities: Node) -> Node {
    precondition(shape(of: logits) == shape(of: probabilities))
    return append(.countAgreeing, [logits, probabilities], .scalar)
  }

  private func requireLogits(_ logits: Node, _ labels: Node, _ name: String) throws(GraphError) {
    let (left, right) = (shape(of: logits), shape(of: labels))
    try require(
      left.rank == 2 && right.rank == 1 && left[0] == right[0],
      "logits [rows, classes] and labels [rows] for \(name)", "\(left) and \(right)")
  }
}
