// Convolutions that cannot be: the message names the layer, what was expected and what is there.

import TensorCore
import Testing

import Autodiff

@Suite struct ConvolutionErrorTests {
  @Test func channelsThatDoNotFitNameBothShapes() {
    expectError("[2, 3, 8, 8]", "[16, 4, 3, 3]", "1 group ") { graph throws(GraphError) in
      _ = try graph.convolution(graph.input([2, 3, 8, 8]), graph.parameter("w", [16, 4, 3, 3]))
    }
    expectError("[2, 6, 8, 8]", "[15, 3, 3, 3]", "2 groups") { graph throws(GraphError) in
      _ = try graph.convolution(graph.input([2, 6, 8, 8]), graph.parameter("w", [15, 3, 3, 3]), groups: 2)
    }
    expectError("[2, 3, 8, 8]", "[4, 3, 2, 2]") { graph throws(GraphError) in
      _ = try graph.transposedConvolution(graph.input([2, 3, 8, 8]), graph.parameter("w", [4, 3, 2, 2]))
    }
    expectError("[2, 192]", "[4, 3, 2, 2]", "[batch, channels, height, width]") { graph throws(GraphError) in
      _ = try graph.convolution(graph.input([2, 192]), graph.parameter("w", [4, 3, 2, 2]))
    }
  }

  @Test func aKernelLargerThanThePaddedImageIsNamedWithBothSizes() {
    expectError("7×7", "5×6", "padded to 5×8") { graph throws(GraphError) in
      _ = try graph.convolution(
        graph.input([1, 3, 5, 6]), graph.parameter("w", [4, 3, 7, 7]), padding: .init(height: 0, width: 1))
    }
    expectError("5×5", "4×4") { graph throws(GraphError) in
      _ = try graph.convolution(graph.input([1, 3, 4, 4]), graph.parameter("w", [4, 3, 3, 3]), dilation: 2)
    }
  }

  @Test func paddingThatLeavesNothingAndGeometryBelowOneAreNamed() {
    expectError("padding 2×2") { graph throws(GraphError) in
      _ = try graph.transposedConvolution(
        graph.input([1, 3, 2, 2]), graph.parameter("w", [3, 4, 2, 2]), padding: 2)
    }
    expectError("below the stride, 2×2", "2×0") { graph throws(GraphError) in
      _ = try graph.transposedConvolution(
        graph.input([1, 3, 2, 2]), graph.parameter("w", [3, 4, 2, 2]), stride: 2,
        outputPadding: .init(height: 2, width: 0))
    }
    expectError("stride 0×0") { graph throws(GraphError) in
      _ = try graph.convolution(graph.input([1, 3, 2, 2]), graph.parameter("w", [4, 3, 2, 2]), stride: 0)
    }
  }

  @Test func aBiasOfOtherLengthIsNamed() {
    expectError("[4]", "[3]") { graph throws(GraphError) in
      _ = try graph.convolution(
        graph.input([1, 3, 2, 2]), graph.parameter("w", [4, 3, 2, 2]), bias: graph.parameter("b", [3]))
    }
  }
}
