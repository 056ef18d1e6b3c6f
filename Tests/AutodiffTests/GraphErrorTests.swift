import Layers
import TensorCore
import Testing

import Autodiff

@Suite struct GraphErrorTests {
  @Test func aProductOfUnequalInnerExtentsNamesTheLayerAndBothShapes() {
    expectError("[4, 7]", "[8, 3]") { graph throws(GraphError) in
      _ = try graph.matrixProduct(graph.input([4, 7]), graph.parameter("w", [8, 3]))
    }
    expectError("[4, 7]", "[7, 3] transposed") { graph throws(GraphError) in
      _ = try graph.matrixProduct(graph.input([4, 7]), graph.parameter("w", [7, 3]), transposeB: true)
    }
    expectError("[4, 7, 2]", "[2, 3]") { graph throws(GraphError) in
      _ = try graph.matrixProduct(graph.input([4, 7, 2]), graph.parameter("w", [2, 3]))
    }
  }

  @Test func sumsAndProductsOfShapesThatDoNotFitNameBoth() {
    expectError("[4, 7]", "[4]") { graph throws(GraphError) in
      _ = try graph.add(graph.input([4, 7]), graph.parameter("b", [4]))
    }
    expectError("[7]", "[4, 7]") { graph throws(GraphError) in
      _ = try graph.multiply(graph.parameter("b", [7]), graph.input([4, 7]))
    }
  }

  @Test func reshapesAndAxesThatDoNotFitNameBoth() {
    expectError("[4, 7]", "[5, 6]") { graph throws(GraphError) in
      _ = try graph.reshape(graph.input([4, 7]), [5, 6])
    }
    expectError("[4, 7]", "axis 2") { graph throws(GraphError) in
      _ = try graph.sum(graph.input([4, 7]), axis: 2)
    }
    expectError("[4, 7]", "axis 3") { graph throws(GraphError) in
      _ = try graph.broadcast(graph.input([4, 7]), axis: 3, count: 2)
    }
    expectError("[4, 7]", "axis -1") { graph throws(GraphError) in
      _ = try graph.mean(graph.input([4, 7]), axis: -1)
    }
  }

  @Test func lossesOfShapesThatDoNotFitNameBoth() {
    expectError("[4, 7]", "[5]") { graph throws(GraphError) in
      _ = try graph.crossEntropy(graph.input([4, 7]), graph.labels(batch: 5))
    }
    expectError("[4, 7]", "[4, 6]") { graph throws(GraphError) in
      _ = try graph.squaredLoss(graph.input([4, 7]), graph.target([4, 6]))
    }
    expectError("[4, 7]", "[3]") { graph throws(GraphError) in
      _ = try graph.countCorrect(graph.input([4, 7]), graph.labels(batch: 3))
    }
    expectError("scalar") { graph throws(GraphError) in _ = try graph.softmax(graph.constant(1)) }
    expectError("scalar") { graph throws(GraphError) in _ = try graph.flatten(graph.constant(1)) }
  }

  @Test func sequencesOfShapesThatDoNotFitNameBoth() {
    expectError("[2, 5, 13]", "2 heads") { graph throws(GraphError) in
      _ = try graph.attention(graph.input([2, 5, 13]), heads: 2, isCausal: true)
    }
    expectError("[2, 15]", "[batch, time, 3 · width]") { graph throws(GraphError) in
      _ = try graph.attention(graph.input([2, 15]), heads: 1, isCausal: true)
    }
    expectError("[2, 5]", "[2, 6]") { graph throws(GraphError) in
      _ = try graph.attention(
        graph.input([2, 5, 12]), heads: 2, isCausal: true, mask: graph.parameter("mask", [2, 6]))
    }
    expectError("[vocabulary, width]", "[8]") { graph throws(GraphError) in
      _ = try graph.embedding(graph.input([2, 5]), graph.parameter("table", [8]))
    }
    expectError("[2, 5]", "[4]") { graph throws(GraphError) in
      _ = try graph.layerNormalization(graph.input([2, 5]), weight: graph.parameter("w", [4]))
    }
    expectError("[2, 5]", "[5, 1]") { graph throws(GraphError) in
      _ = try graph.layerNormalization(
        graph.input([2, 5]), weight: graph.parameter("w", [5]), bias: graph.parameter("b", [5, 1]))
    }
    let model = GPT(vocabulary: 7, context: 4, width: 6, layers: 1, heads: 2)
    expectError("4 steps", "[2, 5]", "context") { graph throws(GraphError) in
      _ = try model(graph.input([2, 5]), in: &graph)
    }
  }

  @Test func aParametersNameIsGivenOnce() {
    expectError("encoder.hidden.w") { graph throws(GraphError) in
      _ = try graph.parameter("w", [2])
      _ = try graph.parameter("w", [2])
    }
  }

  @Test func aParameterThatTheLossDoesNotDependOnIsNamed() throws {
    var graph = Graph()
    let used = try graph.parameter("used", [3])
    let idle = try graph.scope("tail") { graph throws(GraphError) in try graph.parameter("idle", [3]) }
    _ = graph.scale(idle, by: 2)
    let loss = try graph.sum(used)
    let error = #expect(throws: GraphError.self) {
      try Plan.training(graph, batch: 1, loss: loss, outputs: [])
    }
    #expect(error?.diagnosis.place == "tail.idle")
  }

  @Test func aParameterThatOnlyACountDependsOnHasNoGradient() throws {
    var graph = Graph()
    let logits = try graph.parameter("logits", [2, 3])
    let correct = try graph.countCorrect(logits, graph.labels(batch: 2))
    let loss = try graph.add(graph.sum(graph.parameter("other", [3])), correct)
    let error = #expect(throws: GraphError.self) {
      try Plan.training(graph, batch: 2, loss: loss, outputs: [])
    }
    #expect(error?.diagnosis.place == "logits")
  }
}
