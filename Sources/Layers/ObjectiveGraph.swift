import Autodiff
import TensorCore

/// The graph of a model and its loss for one number of samples.
struct ObjectiveGraph {
  private(set) var graph: Graph
  /// What the model gives, [batch, …].
  private(set) var output: Node
  /// The sum over the samples: a scalar.
  private(set) var loss = Node(0)
  /// How many answers are right, where answers are right or wrong.
  private(set) var correct: [Plan.Output] = []
  private let input: Node
  private let batch: Int

  init(_ inputShape: Shape, batch: Int, isTraining: Bool) {
    graph = Graph(isTraining: isTraining)
    self.batch = batch
    input = graph.input(inputShape.inserting(batch, at: 0))
    output = input
  }

  mutating func write(_ model: any Layer) throws(GraphError) {
    output = try model(input, in: &graph)
  }

  mutating func write(_ loss: Loss, _ target: Target, isWeighted: Bool) throws(GraphError) {
    let rows: Node
    switch target {
    case .classes(let classes, let perSample):
      let logits = try logits(classes, perSample: perSample)
      let labels = graph.labels(batch: batch * perSample)
      rows =
        loss.kind == .crossEntropy
        ? try graph.crossEntropy(logits, labels, smoothing: loss.labelSmoothing)
        : try valueLoss(loss, logits, graph.oneHot(labels, classes: classes))
      correct = [.rider(.correct, try graph.countCorrect(logits, labels))]
    case .probabilities(let classes):
      let logits = try logits(classes, perSample: 1)
      let probabilities = graph.target([batch, classes])
      rows =
        loss.kind == .crossEntropy
        ? try graph.crossEntropy(logits, probabilities: probabilities, smoothing: loss.labelSmoothing)
        : try valueLoss(loss, logits, probabilities)
      correct = [.rider(.correct, graph.countAgreeing(logits, probabilities))]
    case .values(let count): rows = try valueLoss(loss, output, graph.target([batch, count]))
    case .input: rows = try valueLoss(loss, output, input)
    }
    self.loss = try graph.sum(samples(rows, isWeighted: isWeighted))
  }

  /// What a user of the model wants to see: probabilities instead of logits.
  mutating func prediction(_ loss: Loss, _ target: Target) throws(GraphError) -> Node {
    switch (loss.kind, target) {
    case (.crossEntropy, .classes(let classes, let perSample)):
      try graph.softmax(logits(classes, perSample: perSample))
    case (.crossEntropy, _): try graph.softmax(graph.flatten(output))
    case (.binaryCrossEntropy, _): graph.activation(.sigmoid, output)
    default: output
    }
  }

  /// The output as [rows, classes], checked.
  private mutating func logits(_ classes: Int, perSample: Int) throws(GraphError) -> Node {
    let shape = graph.shape(of: output)
    guard shape.count == batch * perSample * classes, shape.rank > 0 else {
      let (answers, outputs) = (perSample > 1 ? " for each of \(perSample) answers" : "", shape.count / batch)
      throw GraphError(
        at: "model", expected: "\(classes) outputs, one a class of the data\(answers)",
        found: perSample > 1 ? "\(outputs) a sample" : "\(outputs)",
        remedy: shape.dimensions.last == classes
          ? "Flatten before the last layer, or pool: it gives \(shape)."
          : "Make the last layer's width equal to the number of classes.")
    }
    return shape.rank == 2 && shape[1] == classes
      ? output : try graph.reshape(output, [batch * perSample, classes])
  }

  private mutating func valueLoss(
    _ loss: Loss, _ prediction: Node, _ target: Node
  ) throws(GraphError) -> Node {
    let kind: ValueLoss =
      switch loss.kind {
      case .crossEntropy:
        throw GraphError(
          at: "loss",
          expected: "a loss of values, as meanSquaredError, because the data's targets are numbers",
          found: "crossEntropy", remedy: "Set loss: meanSquaredError, or give data with class labels.")
      case .binaryCrossEntropy: .binaryCrossEntropy
      case .meanSquaredError: .squared
      case .meanAbsoluteError: .absolute
      case .huber: .huber(delta: loss.delta)
      }
    return try graph.valueLoss(kind, prediction, target)
  }

  /// The loss of each sample: the mean over its rows, times its weight.
  private mutating func samples(_ rows: Node, isWeighted: Bool) throws(GraphError) -> Node {
    let perSample = graph.shape(of: rows).count / batch
    let losses = perSample == 1 ? rows : try graph.mean(graph.reshape(rows, [batch, perSample]), axis: 1)
    return isWeighted ? try graph.multiply(losses, graph.weights(batch: batch)) : losses
  }
}
