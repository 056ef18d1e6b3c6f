import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct ObjectiveTests {
  private let model = MultilayerPerceptron(widths: [12, 8, 3])

  @Test func parametersHavePyTorchsNamesAndShapes() throws {
    let objective = try Objective(model, loss: .crossEntropy, inputShape: [12], target: .classes(3))
    #expect(objective.parameters.map(\.name) == ["0.weight", "0.bias", "2.weight", "2.bias"])
    #expect(objective.parameters.map(\.shape) == [[8, 12], [8], [3, 8], [3]])
    #expect(objective.layout.parameterCount == 12 * 8 + 8 + 8 * 3 + 3)
    #expect(objective.outputCount == 3)
    let table = try objective.layerTable()
    #expect(table.floatingPointOperations == 2 * (12 * 8 + 8 * 3))
    #expect(table.parameterCount == objective.layout.parameterCount)
    #expect(table.rows.map(\.outputShape) == [[8], [3]])
  }

  @Test func aRecurrentNetworkIsAModelOfItsOwn() throws {
    let objective = try Objective(
      RecurrentNetwork("rnn", .lstm, 5, 6, isBidirectional: true, result: .lastStep), loss: .crossEntropy,
      inputShape: [7, 5], target: .classes(12))
    #expect(objective.outputCount == 12)
    #expect(objective.layout.parameterCount == 2 * (24 * 5 + 24 * 6 + 24 + 24))
    // Three samples of 12 states, in whole vectors.
    #expect(try objective.evaluationPlan(batch: 3, target: .classes(12), isWeighted: false).resultCount == 48)
  }

  @Test func activationsLieBetweenLayersOnly() {
    #expect(model.layers.map(\.activation) == [.relu, nil])
    #expect(
      MultilayerPerceptron(widths: [2, 3, 4, 5], activation: .tanh).layers.map(\.activation)
        == [.tanh, .tanh, nil])
    #expect(MultilayerPerceptron(widths: [2, 3]).layers.map(\.activation) == [nil])
  }

  @Test func imagesAreFlattened() throws {
    let flat = try Objective(model, loss: .crossEntropy, inputShape: [12], target: .classes(3))
    let image = try Objective(model, loss: .crossEntropy, inputShape: [3, 2, 2], target: .classes(3))
    #expect(image.layout == flat.layout)
    #expect(
      try image.trainingPlan(batch: 4).instructions.count == flat.trainingPlan(batch: 4).instructions.count)
  }

  @Test func aModelWithTheWrongNumberOfOutputsIsRefused() throws {
    let error = #expect(throws: GraphError.self) {
      try Objective(model, loss: .crossEntropy, inputShape: [12], target: .classes(10))
    }
    #expect(error?.description.contains("10 outputs") == true && error?.diagnosis.found == "3")
  }

  @Test func aModelForOtherInputsIsRefusedByTheLayerConcerned() throws {
    let error = #expect(throws: GraphError.self) {
      try Objective(model, loss: .crossEntropy, inputShape: [13], target: .classes(3))
    }
    #expect(error?.diagnosis.place == "0")
    #expect(error?.diagnosis.found.contains(", 13]") == true)
    #expect(error?.diagnosis.found.contains("[8, 12]") == true)
  }

  @Test func crossEntropyOfNumbersIsRefused() throws {
    #expect(throws: GraphError.self) {
      try Objective(model, loss: .crossEntropy, inputShape: [12], target: .values(3))
    }
    #expect(throws: GraphError.self) {
      try Objective(model, loss: .meanSquaredError, inputShape: [12], target: .values(4))
    }
  }

  @Test func aLayerWithoutABiasHasNone() throws {
    let objective = try Objective(
      Dense("only", 12, 3, usesBias: false), loss: .crossEntropy, inputShape: [12], target: .classes(3))
    #expect(objective.parameters.map(\.name) == ["only.weight"])
  }

  /// A user's own layer, of two others and a connection around them.
  private struct Residual: Layer {
    let first = Dense("first", 12, 12, activation: .tanh)
    let last = Dense("last", 12, 3)

    func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
      let y = try graph.scope("block") { graph throws(GraphError) in try first(x, in: &graph) }
      return try last(graph.add(y, x), in: &graph)
    }
  }

  @Test func ownLayersNestTheirNames() throws {
    let objective = try Objective(Residual(), loss: .crossEntropy, inputShape: [12], target: .classes(3))
    #expect(
      objective.parameters.map(\.name) == [
        "block.first.weight", "block.first.bias", "last.weight", "last.bias",
      ])
    #expect(objective.layout.entries.first?.name.hasPrefix("last") == true)
  }

  @Test func evaluationWritesRidersOnlyAndPredictionResultsOnly() throws {
    let objective = try Objective(model, loss: .crossEntropy, inputShape: [12], target: .classes(3))
    let evaluation = try objective.evaluationPlan(batch: 5, target: .classes(3), isWeighted: false)
    #expect(evaluation.instructions.allSatisfy { $0.result.arena != .gradients && $0.checkedCount == 0 })
    #expect(evaluation.instructions.count { $0.result.arena == .riders } == 2)
    let prediction = try objective.predictionPlan(batch: 5)
    #expect(prediction.resultCount == 16 && prediction.instructions.last?.operation == .softmax)
    let regression = try Objective(model, loss: .meanSquaredError, inputShape: [12], target: .values(3))
    #expect(try regression.predictionPlan(batch: 5).instructions.last?.operation != .softmax)
  }
}
