import TensorCore

extension Graph {
  /// Appends the backward pass of `loss`, a scalar: reverse accumulation, one visit a node, newest first.
  ///
  /// Returns each parameter's gradient, in the order of `parameters`.
  package mutating func differentiate(_ loss: Node) throws(GraphError) -> [Node] {
    precondition(shape(of: loss) == .scalar, "only a scalar is differentiated")
    let forwardCount = records.count
    var dependsOnParameters = [Bool](repeating: false, count: forwardCount)
    for index in 0..<forwardCount {
      if case .parameter = records[index].operation { dependsOnParameters[index] = true }
      if records[index].operands.contains(where: { dependsOnParameters[$0.index] }) {
        dependsOnParameters[index] = true
      }
    }

    var gradients = [Node?](repeating: nil, count: forwardCount)
    gradients[loss.index] = append(.constant(1), [], .scalar, layer: "loss")
    for index in (0...loss.index).reversed() {
      guard dependsOnParameters[index], let dy = gradients[index] else { continue }
      let firstNew = records.count
      let wanted = records[index].operands.map { dependsOnParameters[$0.index] }
      let contributions = self.gradients(of: Node(index), dy, wanted: wanted)
      for (operand, contribution) in zip(records[index].operands, contributions) {
        guard let contribution, dependsOnParameters[operand.index] else { continue }
        if let sum = gradients[operand.index] {
          gradients[operand.index] = append(.add, [sum, contribution], shape(of: operand))
        } else {
          gradients[operand.index] = contribution
        }
      }
      relabel(from: firstNew, layer: records[index].layer)
    }

    var result: [Node] = []
    for index in parameters.indices {
      guard let gradient = gradients[node(ofParameter: index).index] else {
        throw GraphError(
          at: parameters[index].name, expected: "a parameter that the loss depends on",
          found: "one that it does not depend on", remedy: "Use it in the model's result, or take it out.")
      }
      result.append(gradient)
    }
    return result
  }

  /// Backward nodes belong to the layer of their forward node.
  private mutating func relabel(from first: Int, layer: String) {
    for index in first..<records.count {
      let record = records[index]
      records[index] = Record(
        operation: record.operation, operands: record.operands, shape: record.shape, layer: layer)
    }
  }
}
