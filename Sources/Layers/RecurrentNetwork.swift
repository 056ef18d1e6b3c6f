import Autodiff
import TensorCore

/// Recurrent layers, one over the other, each in one direction of time or in both:
/// x [batch, steps, inputs] → [batch, steps, outputs], where the outputs are the hidden units of the last layer,
/// those of the reversed direction behind those of the other. The state before the first step is 0.
///
/// Parameters as those of PyTorch's `RNN`, `LSTM` and `GRU` (with `batch_first=True`), here of layer 0:
/// `weight_ih_l0` [gates · hidden, inputs], `weight_hh_l0` [gates · hidden, hidden], `bias_ih_l0` and `bias_hh_l0`
/// [gates · hidden]; those of the reversed direction end in `_reverse`. All begin uniform within ±1/√hidden.
public struct RecurrentNetwork: Layer {
  /// What a recurrent network gives to the next layer.
  public enum Result: String, Sendable, CaseIterable {
    /// The state of each step: [batch, steps, outputs].
    case allSteps
    /// The state that a direction ends with, behind its last step, or behind step 0 where it is reversed:
    /// [batch, outputs].
    case lastStep
  }

  public let name: String
  public let cell: RecurrentCell
  public let inputs: Int
  public let hidden: Int
  public let layers: Int
  public let isBidirectional: Bool
  /// How probable it is that an element between two layers is dropped in training.
  public let dropout: Double
  public let usesBias: Bool
  public let result: Result

  public init(
    _ name: String, _ cell: RecurrentCell, _ inputs: Int, _ hidden: Int, layers: Int = 1,
    isBidirectional: Bool = false, dropout: Double = 0, usesBias: Bool = true, result: Result = .allSteps
  ) {
    precondition(
      inputs > 0 && hidden > 0 && layers > 0,
      "\(name): a recurrent network has inputs, hidden units and layers")
    self.name = name
    self.cell = cell
    self.inputs = inputs
    self.hidden = hidden
    self.layers = layers
    self.isBidirectional = isBidirectional
    self.dropout = dropout
    self.usesBias = usesBias
    self.result = result
  }

  /// The extent of the result's last axis.
  public var outputs: Int { isBidirectional ? 2 * hidden : hidden }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let shape = graph.shape(of: x)
      guard shape.rank == 3, shape[2] == inputs else {
        throw GraphError(
          at: graph.layer, expected: "an input [batch, steps, \(inputs)]", found: "\(shape)",
          remedy: "Make the number of inputs equal to what the layer before it gives for each step.")
      }
      // Time-major inside, so that the samples of a step are one matrix.
      var directions = [try graph.transpose(x, 0, 1)]
      for layer in 0..<layers {
        var y = try graph.concatenate(directions, axis: 2)
        if layer > 0 { y = try graph.dropout(y, rate: dropout, sampleAxis: 1) }
        directions = [try direction(y, layer: layer, isReversed: false, in: &graph)]
        if isBidirectional { directions.append(try direction(y, layer: layer, isReversed: true, in: &graph)) }
      }
      switch result {
      case .allSteps:
        return try graph.transpose(graph.concatenate(directions, axis: 2), 0, 1)
      case .lastStep:
        let last = shape[1] - 1
        var states = [try state(directions[0], step: last, in: &graph)]
        if isBidirectional { states.append(try state(directions[1], step: 0, in: &graph)) }
        return try graph.concatenate(states, axis: 1)
      }
    }
  }

  /// The states of one layer in one direction: x [steps, batch, features] → [steps, batch, hidden].
  private func direction(
    _ x: Node, layer: Int, isReversed: Bool, in graph: inout Graph
  ) throws(GraphError) -> Node {
    let shape = graph.shape(of: x)
    let sums = cell.gates * hidden
    let bound = 1 / Float(hidden).squareRoot()
    let suffix = "_l\(layer)" + (isReversed ? "_reverse" : "")
    func parameter(_ name: String, _ shape: Shape, in graph: inout Graph) throws(GraphError) -> Node {
      try graph.parameter(name + suffix, shape, initialValue: .uniform(lower: -bound, upper: bound))
    }

    let inputWeight = try parameter("weight_ih", [sums, shape[2]], in: &graph)
    let weight = try parameter("weight_hh", [sums, hidden], in: &graph)
    // One product over all steps.
    var products = try graph.matrixProduct(
      graph.reshape(x, [shape[0] * shape[1], shape[2]]), inputWeight, transposeB: true)
    var bias: Node?
    if usesBias {
      var inputBias = try parameter("bias_ih", [sums], in: &graph)
      let second = try parameter("bias_hh", [sums], in: &graph)
      // A GRU multiplies the second bias by a gate; elsewhere both are added to the same sums.
      if cell == .gru { bias = second } else { inputBias = try graph.add(inputBias, second) }
      products = try graph.add(products, inputBias)
    }
    return try graph.recurrent(
      cell, graph.reshape(products, [shape[0], shape[1], sums]), weight: weight, bias: bias,
      isReversed: isReversed)
  }

  /// One step's states: [steps, batch, hidden] → [batch, hidden].
  private func state(_ states: Node, step: Int, in graph: inout Graph) throws(GraphError) -> Node {
    let shape = graph.shape(of: states)
    return try graph.reshape(graph.slice(states, axis: 0, step..<step + 1), [shape[1], shape[2]])
  }
}
