// Where images lie in blocks of channels, and where they are brought from one layout to the other.

import TensorCore
import Testing

import Autodiff

@Suite struct LayOutTests {
  /// The operations that a graph's outputs need, images in blocks of 16.
  private func operations(_ graph: Graph, _ outputs: [Node]) -> [Autodiff.Operation] {
    var graph = graph
    graph.fuse(outputs: outputs)
    let numbers = graph.layOut(outputs: outputs, block: 16)
    return graph.order(outputs: outputs.map { numbers[$0.index] }).map { graph.records[$0.index].operation }
  }

  private func reorders(_ operations: [Autodiff.Operation]) -> [ReorderForm] {
    operations.compactMap { if case .reorder(let form) = $0 { form } else { nil } }
  }

  private func forms(_ operations: [Autodiff.Operation]) -> [ConvolutionForm] {
    operations.compactMap { if case .convolution(let form) = $0 { form } else { nil } }
  }

  @Test func imagesStayInBlocksBetweenConvolutions() throws {
    var graph = Graph()
    let x = graph.input([2, 3, 6, 6])
    let stem = graph.activation(
      .relu,
      try graph.convolution(
        x, graph.parameter("a", [32, 3, 3, 3]), bias: graph.parameter("bias", [32]), padding: 1))
    let branch = try graph.convolution(stem, graph.parameter("b", [32, 32, 3, 3]), padding: 1)
    let sum = graph.activation(.tanh, try graph.add(stem, branch))
    let y = try graph.flatten(graph.convolution(sum, graph.parameter("c", [16, 32, 1, 1])))
    let operations = operations(graph, [y])
    #expect(
      reorders(operations) == [.init(batch: 2, channels: 16, size: 6, fromBlock: 16, toBlock: 0)])
    #expect(forms(operations).map(\.inputBlock) == [0, 16, 16])
    #expect(forms(operations).map(\.outputBlock) == [16, 16, 16])
    // Bias and ReLU have gone into the first convolution; tanh has stayed.
    #expect(forms(operations).map(\.addsBias) == [true, false, false])
    #expect(forms(operations).map(\.appliesReLU) == [true, false, false])
    #expect(operations.contains(.activation(.tanh)) && !operations.contains(.activation(.relu)))
  }

  @Test func theBackwardPassReordersAtTheSameBordersOnly() throws {
    var graph = Graph()
    let x = graph.input([2, 3, 6, 6])
    let hidden = graph.activation(
      .relu, try graph.convolution(x, graph.parameter("a", [32, 3, 3, 3]), padding: 1))
    let y = try graph.convolution(hidden, graph.parameter("b", [16, 32, 3, 3]))
    let loss = try graph.sum(graph.multiply(y, y))
    let gradientNodes = try graph.differentiate(loss)
    let operations = operations(graph, gradientNodes + [loss])
    // The squares may be in blocks; their sum is over a plain view, from which the gradient comes back.
    #expect(reorders(operations).count == 2)
    let gradients: [ConvolutionForm] = operations.compactMap {
      switch $0 {
      case .convolutionInputGradient(let form), .convolutionWeightGradient(let form): form
      default: nil
      }
    }
    #expect(gradients.count == 3)
    #expect(
      gradients.allSatisfy { $0.outputBlock == 16 && ($0.inputBlock == 16) == ($0.inputChannels == 32) })
  }

  @Test func poolingAndNormalizationStayInBlocksInBothPasses() throws {
    var graph = Graph()
    let x = graph.input([2, 3, 8, 8])
    var y = try graph.convolution(x, graph.parameter("a", [32, 3, 3, 3]), padding: 1)
    y = try graph.batchNormalization(
      y, weight: graph.parameter("scale", [32]), bias: graph.parameter("shift", [32]),
      runningMean: graph.buffer("mean", [32], initialValue: .constant(0), momentum: 0.1),
      runningVariance: graph.buffer("variance", [32], initialValue: .constant(1), momentum: 0.1))
    y = try graph.maxPooling(graph.activation(.relu, y), window: 2)
    y = try graph.globalAveragePooling(
      graph.convolution(y, graph.parameter("b", [32, 32, 3, 3]), padding: 1))
    let loss = try graph.sum(graph.multiply(y, y))
    let gradients = try graph.differentiate(loss)
    let operations = operations(graph, gradients + [loss])
    #expect(reorders(operations).isEmpty)
    for operation in operations {
      switch operation {
      case .batchNormalization(let form), .batchNormalizationSums(let form),
        .batchNormalizationGradient(let form),
        .channelStatistics(let form):
        #expect(form.block == 16)
      case .pool(let form), .maxPoolGradient(let form), .globalAverage(let form),
        .globalAverageGradient(let form):
        #expect(form.block == 16)
      default: break
      }
    }
  }

  @Test func aTensorIsReorderedOnceForAllItsReaders() throws {
    var graph = Graph()
    let x = graph.input([1, 16, 4, 4])
    let a = try graph.convolution(x, graph.parameter("a", [16, 16, 1, 1]))
    let b = try graph.convolution(x, graph.parameter("b", [16, 16, 1, 1]))
    let sum = try graph.add(a, b)
    let operations = operations(graph, [sum])
    #expect(reorders(operations).map(\.fromBlock) == [0, 16])
  }

  @Test func channelsThatDoNotFillBlocksStayPlain() throws {
    var graph = Graph()
    let x = graph.input([1, 5, 4, 4])
    let a = try graph.convolution(x, graph.parameter("a", [20, 5, 1, 1]))
    let b = try graph.convolution(a, graph.parameter("b", [7, 20, 1, 1]))
    #expect(reorders(operations(graph, [b])).isEmpty)
    // Groups that cut through a block, too; those of whole blocks and of single channels do not.
    for (groups, block) in [(4, 0), (2, 16), (32, 16)] {
      var graph = Graph()
      let x = graph.input([1, 32, 4, 4])
      let y = try graph.convolution(x, graph.parameter("a", [32, 32 / groups, 3, 3]), groups: groups)
      #expect(forms(operations(graph, [y])).map(\.inputBlock) == [block])
      #expect(forms(operations(graph, [y])).map(\.outputBlock) == [block])
    }
  }

  @Test func imagesOfOnePixelNeedNoReorder() throws {
    var graph = Graph()
    let x = graph.input([1, 3, 4, 4])
    let y = try graph.flatten(graph.convolution(x, graph.parameter("a", [32, 3, 4, 4])))
    #expect(reorders(operations(graph, [y])).isEmpty)
  }

  @Test func withoutBlocksNothingChanges() throws {
    var graph = Graph()
    let x = graph.input([1, 16, 4, 4])
    let y = try graph.convolution(x, graph.parameter("a", [16, 16, 1, 1]))
    let before = graph.records.map(\.operation)
    #expect(graph.layOut(outputs: [y], block: 0) == graph.records.indices.map { Node($0) })
    #expect(graph.records.map(\.operation) == before)
  }
}
