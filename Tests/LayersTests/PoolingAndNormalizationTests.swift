// Pooling and batch normalization as layers of a model.

import Autodiff
import TensorCore
import Testing

import Layers

@Suite struct PoolingAndNormalizationTests {
  private struct Model: Layer {
    let normalization = BatchNormalization("norm", 3)
    let output = Dense("output", 6, 4)

    func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
      let y = graph.activation(.relu, try normalization(x, in: &graph))
      let pooled = try MaxPooling2D(.init(height: 2, width: 3))(y, in: &graph)
      return try output(graph.flatten(pooled), in: &graph)
    }
  }

  private func shape(_ layer: any Layer, _ images: Shape) throws -> Shape {
    var graph = Graph()
    let y = try layer(graph.input(images), in: &graph)
    return graph.shape(of: y)
  }

  @Test func windowsStepByTheirOwnSizeUnlessToldOtherwise() throws {
    #expect(try shape(MaxPooling2D(2), [5, 3, 7, 8]) == [5, 3, 3, 4])
    #expect(try shape(MaxPooling2D(3, stride: 2, padding: 1), [5, 3, 7, 8]) == [5, 3, 4, 4])
    #expect(try shape(AveragePooling2D(3), [5, 3, 7, 9]) == [5, 3, 2, 3])
    #expect(
      try shape(AveragePooling2D(.init(height: 1, width: 4), stride: 1), [5, 3, 7, 9]) == [5, 3, 7, 6])
    #expect(try shape(GlobalAveragePooling2D(), [5, 3, 7, 8]) == [5, 3])
  }

  @Test func aModelWithNormalizationHasBuffersAndAPlanForEveryBatchButOne() throws {
    let objective = try Objective(
      Model(), loss: .crossEntropy, inputShape: [3, 4, 3], target: .classes(4))
    #expect(objective.buffers.map(\.name) == ["norm.running_mean", "norm.running_var"])
    #expect(objective.layout.buffers.map(\.momentum) == [0.1, 0.1])
    // One image has twelve values a channel: enough.
    _ = try objective.trainingPlan(batch: 1)

    let vectors = try Objective(
      BatchNormalization("norm", 4), loss: .crossEntropy, inputShape: [4], target: .classes(4))
    _ = try vectors.trainingPlan(batch: 2)
    _ = try vectors.evaluationPlan(batch: 1, target: .classes(4), isWeighted: false)
    _ = try vectors.predictionPlan(batch: 1)
    let error = #expect(throws: GraphError.self) { try vectors.trainingPlan(batch: 1) }
    #expect(error?.diagnosis.place == "norm")
    #expect(error?.diagnosis.remedy.contains("lastBatch: drop") == true)

    let vector = Arena<Float>(count: objective.layout.vectorCount)
    objective.fillInitialValues(vector, seed: 1)
    for (name, value) in [
      ("norm.weight", 1), ("norm.bias", 0), ("norm.running_mean", 0), ("norm.running_var", 1),
    ] as [(String, Float)] {
      let entry = objective.layout.allEntries.first { $0.name == name }
      #expect(entry?.range.allSatisfy { vector.base[$0] == value } == true, "\(name)")
    }
  }
}
