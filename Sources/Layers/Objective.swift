import Autodiff
import TensorCore

/// What a model is trained to make small. Losses are means over the samples.
public enum Loss: String, Sendable, CaseIterable {
  /// −log softmax(logits)[label].
  case crossEntropy
  /// (prediction − target)², the mean over a sample's values; labels become vectors of ones and zeros.
  case meanSquaredError
}

/// What a model is told to predict for each sample.
public enum TargetKind: Sendable, Equatable {
  /// One of so many classes.
  case classes(Int)
  /// So many numbers.
  case values(Int)
}

/// A model, its input and its loss: everything from which plans are made, for any number of samples.
public struct Objective: Sendable {
  public let model: any Layer
  public let loss: Loss
  /// The shape of one sample.
  public let inputShape: Shape
  public let target: TargetKind
  /// The model's parameters, in the order in which it declares them.
  public let parameters: [Parameter]
  /// Where they lie in the flat vectors.
  public let layout: VectorLayout
  /// The number of values that the model gives for a sample.
  public let outputCount: Int

  public init(
    _ model: any Layer, loss: Loss, inputShape: Shape, target: TargetKind
  ) throws(GraphError) {
    self.model = model
    self.loss = loss
    self.inputShape = inputShape
    self.target = target
    var draft = Draft(graph: Graph())
    try draft.write(model, inputShape, batch: 1)
    try draft.writeLoss(loss, target, batch: 1)
    parameters = draft.graph.parameters
    outputCount = draft.graph.shape(of: draft.output).count
    layout = try Plan.training(draft.graph, batch: 1, loss: draft.loss, outputs: draft.correct).layout
  }

  /// Forward, loss, backward.
  package func trainingPlan(batch: Int, keepsActivations: Bool = false) throws(GraphError) -> Plan {
    let draft = try draft(batch: batch)
    return try Plan.training(
      draft.graph, batch: batch, loss: draft.loss, outputs: draft.correct, layout: layout,
      keepsActivations: keepsActivations)
  }

  /// Forward and loss; the riders hold the sums, the results [batch, outputs], before any softmax.
  package func evaluationPlan(batch: Int) throws(GraphError) -> Plan {
    let draft = try draft(batch: batch)
    return Plan.forward(
      draft.graph, batch: batch,
      outputs: [.rider(.loss, draft.loss), .result(draft.output, offset: 0)] + draft.correct, layout: layout)
  }

  /// Forward: the results hold [batch, outputs], probabilities where a class is predicted by cross-entropy.
  package func predictionPlan(batch: Int) throws(GraphError) -> Plan {
    var draft = Draft(graph: Graph())
    try draft.write(model, inputShape, batch: batch)
    let result = loss == .crossEntropy ? try draft.graph.softmax(draft.output) : draft.output
    return Plan.forward(draft.graph, batch: batch, outputs: [.result(result, offset: 0)], layout: layout)
  }

  /// Multiplications and additions of one sample's forward pass in matrix products, counted as two each.
  package func floatingPointOperationsPerSample() throws(GraphError) -> Int {
    let graph = try draft(batch: 1).graph
    return graph.records.reduce(0) { sum, record in
      guard case .matrixProduct(let transposeA, _, _) = record.operation else { return sum }
      return sum + 2 * record.shape.count * graph.shape(of: record.operands[0])[transposeA ? 0 : 1]
    }
  }

  private func draft(batch: Int) throws(GraphError) -> Draft {
    var draft = Draft(graph: Graph())
    try draft.write(model, inputShape, batch: batch)
    try draft.writeLoss(loss, target, batch: batch)
    return draft
  }

  private struct Draft {
    var graph: Graph
    var output = Node(0)
    var loss = Node(0)
    var correct: [Plan.Output] = []

    mutating func write(_ model: any Layer, _ inputShape: Shape, batch: Int) throws(GraphError) {
      output = try model(graph.input(inputShape.inserting(batch, at: 0)), in: &graph)
    }

    mutating func writeLoss(_ loss: Loss, _ target: TargetKind, batch: Int) throws(GraphError) {
      switch target {
      case .classes(let classes):
        let logits = try graph.flatten(output)
        guard graph.shape(of: logits)[1] == classes else {
          throw GraphError(
            at: "model", expected: "\(classes) outputs, one a class of the data",
            found: "\(graph.shape(of: logits)[1])",
            remedy: "Make the last layer's width equal to the number of classes.")
        }
        let labels = graph.labels(batch: batch)
        switch loss {
        case .crossEntropy: self.loss = try graph.crossEntropy(logits, labels)
        case .meanSquaredError:
          self.loss = try graph.squaredError(logits, graph.oneHot(labels, classes: classes))
        }
        correct = [.rider(.correct, try graph.countCorrect(logits, labels))]
      case .values(let count):
        guard loss != .crossEntropy else {
          throw GraphError(
            at: "loss", expected: "meanSquaredError, because the data's targets are numbers",
            found: "crossEntropy", remedy: "Set loss: meanSquaredError, or give data with class labels.")
        }
        self.loss = try graph.squaredError(output, graph.target([batch, count]))
      }
    }
  }
}
