import Autodiff
import TensorCore

/// A model, its input and its loss: everything from which plans are made, for any number of samples.
public struct Objective: Sendable {
  public let model: any Layer
  public let loss: Loss
  /// The shape of one sample.
  public let inputShape: Shape
  public let target: Target
  /// Whether the data say how much each sample counts: losses are multiplied by that.
  public let isWeighted: Bool
  /// The model's parameters, in the order in which it declares them.
  public let parameters: [Parameter]
  /// What is saved with them but not trained.
  public let buffers: [Buffer]
  /// Where they lie in the flat vectors.
  public let layout: VectorLayout
  /// The number of values that the model gives for a sample.
  public let outputCount: Int

  public init(
    _ model: any Layer, loss: Loss, inputShape: Shape, target: Target, isWeighted: Bool = false
  ) throws(GraphError) {
    self.model = model
    self.loss = loss
    self.inputShape = inputShape
    self.target = target
    self.isWeighted = isWeighted
    // A batch in which no layer finds too little to tell a variance from.
    var draft = ObjectiveGraph(inputShape, batch: Self.draftBatch, isTraining: true)
    try draft.write(model)
    try draft.write(loss, target, isWeighted: isWeighted)
    parameters = draft.graph.parameters
    buffers = draft.graph.buffers
    outputCount = draft.graph.shape(of: draft.output).count / Self.draftBatch
    layout = try Plan.training(
      draft.graph, batch: Self.draftBatch, loss: draft.loss, outputs: draft.correct
    ).layout
  }

  private static let draftBatch = 2

  /// Writes the initial values of parameters and buffers to a vector of the layout's.
  package func fillInitialValues(_ vector: Arena<Float>, seed: UInt64) {
    let declared =
      parameters.map { ($0.name, $0.initialValue) } + buffers.map { ($0.name, $0.initialValue) }
    let values = Dictionary(uniqueKeysWithValues: declared)
    for entry in layout.allEntries {
      values[entry.name]?.fill(vector.buffer(entry.range), seed: seed, name: entry.name)
    }
  }

  /// Forward, loss, backward.
  package func trainingPlan(batch: Int, keepsActivations: Bool = false) throws(GraphError) -> Plan {
    let draft = try draft(batch: batch, isTraining: true)
    return try Plan.training(
      draft.graph, batch: batch, loss: draft.loss, outputs: draft.correct, layout: layout,
      keepsActivations: keepsActivations)
  }

  /// Forward and loss; the riders hold the sums, the results [batch, outputs], before any softmax.
  package func evaluationPlan(batch: Int) throws(GraphError) -> Plan {
    let draft = try draft(batch: batch, isTraining: false)
    return Plan.forward(
      draft.graph, batch: batch,
      outputs: [.rider(.loss, draft.loss), .result(draft.output, offset: 0)] + draft.correct, layout: layout)
  }

  /// Forward: the results hold [batch, outputs], probabilities where the loss is a cross-entropy.
  package func predictionPlan(batch: Int) throws(GraphError) -> Plan {
    var draft = ObjectiveGraph(inputShape, batch: batch, isTraining: false)
    try draft.write(model)
    let result = try draft.prediction(loss, target)
    return Plan.forward(draft.graph, batch: batch, outputs: [.result(result, offset: 0)], layout: layout)
  }

  /// Multiplications and additions of one sample's forward pass in matrix products, counted as two each.
  package func floatingPointOperationsPerSample() throws(GraphError) -> Int {
    let graph = try draft(batch: 1, isTraining: false).graph
    return graph.records.reduce(0) { sum, record in
      guard case .matrixProduct(let transposeA, _, _) = record.operation else { return sum }
      return sum + 2 * record.shape.count * graph.shape(of: record.operands[0])[transposeA ? 0 : 1]
    }
  }

  private func draft(batch: Int, isTraining: Bool) throws(GraphError) -> ObjectiveGraph {
    var draft = ObjectiveGraph(inputShape, batch: batch, isTraining: isTraining)
    try draft.write(model)
    try draft.write(loss, target, isWeighted: isWeighted)
    return draft
  }
}
