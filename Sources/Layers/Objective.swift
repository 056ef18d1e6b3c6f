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
    var draft = ObjectiveGraph(inputShape, batch: batch, isTraining: true)
    try draft.write(model)
    try draft.write(loss, target, isWeighted: isWeighted)
    return try Plan.training(
      draft.graph, batch: batch, loss: draft.loss, outputs: draft.correct, layout: layout,
      keepsActivations: keepsActivations)
  }

  /// Forward and loss; the riders hold the sums, the results [batch, outputs], before any softmax.
  ///
  /// - Parameters:
  ///   - target: of the data that it is tried on, which may be given in another form than those of the training;
  ///     nil: in the same.
  ///   - isWeighted: whether those data say how much each sample counts; nil: as those of the training.
  package func evaluationPlan(
    batch: Int, target: Target? = nil, isWeighted: Bool? = nil
  ) throws(GraphError) -> Plan {
    var draft = ObjectiveGraph(inputShape, batch: batch, isTraining: false)
    try draft.write(model)
    try draft.write(loss, target ?? self.target, isWeighted: isWeighted ?? self.isWeighted)
    return Plan.forward(
      draft.graph, batch: batch,
      outputs: [.rider(.loss, draft.loss), .result(draft.output, offset: 0)] + draft.correct, layout: layout)
  }

  /// Forward: the results hold [batch, outputs] as the model gives them.
  package func outputPlan(batch: Int) throws(GraphError) -> Plan {
    var draft = ObjectiveGraph(inputShape, batch: batch, isTraining: false)
    try draft.write(model)
    return Plan.forward(
      draft.graph, batch: batch, outputs: [.result(draft.output, offset: 0)], layout: layout)
  }

  /// Forward: the results hold [batch, outputs], probabilities where the loss is a cross-entropy.
  package func predictionPlan(batch: Int) throws(GraphError) -> Plan {
    var draft = ObjectiveGraph(inputShape, batch: batch, isTraining: false)
    try draft.write(model)
    let result = try draft.prediction(loss, target)
    return Plan.forward(draft.graph, batch: batch, outputs: [.result(result, offset: 0)], layout: layout)
  }

  /// What each layer gives, holds and costs.
  public func layerTable() throws(GraphError) -> LayerTable {
    var draft = ObjectiveGraph(inputShape, batch: Self.draftBatch, isTraining: true)
    try draft.write(model)
    return LayerTable(draft.graph, batch: Self.draftBatch)
  }
}
