// Names, shapes and initial values of the convolutions' parameters, as PyTorch has them.

import Autodiff
import Layers
import TensorCore
import Testing

@Suite struct ConvolutionLayerTests {
  @Test func parametersAreThoseOfConv2d() throws {
    var graph = Graph()
    let layer = Convolution2D(
      "conv1", 6, 8, kernel: .init(height: 3, width: 5), stride: 2, padding: .init(height: 1, width: 0),
      groups: 2, activation: .relu)
    let y = try layer(graph.input([4, 6, 9, 9]), in: &graph)
    #expect(graph.shape(of: y) == [4, 8, 5, 3])
    #expect(graph.parameters.map(\.name) == ["conv1.weight", "conv1.bias"])
    #expect(graph.parameters.map(\.shape) == [[8, 3, 3, 5], [8]])
    // 1/√(3·3·5)
    let bound = Float(1 / 45.0.squareRoot())
    #expect(graph.parameters.allSatisfy { $0.initialValue == .uniform(lower: -bound, upper: bound) })
  }

  @Test func parametersAreThoseOfConvTranspose2d() throws {
    var graph = Graph()
    let layer = TransposedConvolution2D(
      "up", 6, 8, kernel: 2, stride: 2, padding: 0, outputPadding: 1, usesBias: false)
    let y = try layer(graph.input([4, 6, 9, 7]), in: &graph)
    #expect(graph.shape(of: y) == [4, 8, 19, 15])
    #expect(graph.parameters.map(\.name) == ["up.weight"])
    #expect(graph.parameters.map(\.shape) == [[6, 8, 2, 2]])
    let bound = Float(1 / 32.0.squareRoot())
    #expect(graph.parameters.allSatisfy { $0.initialValue == .uniform(lower: -bound, upper: bound) })
  }

  @Test func otherInitialValuesKnowTheKernelsArea() throws {
    var graph = Graph()
    let layer = Convolution2D("conv", 4, 8, kernel: 3, initialValue: .heNormal)
    _ = try layer(graph.input([1, 4, 5, 5]), in: &graph)
    #expect(
      graph.parameters.map(\.initialValue) == [
        .normal(mean: 0, standardDeviation: Float((2.0 / 36).squareRoot())), .constant(0),
      ])
  }
}
