// Transformers as values: what parameters they declare, how these begin, and where dropout comes in. Their
// numbers are held to PyTorch's in PyTorchAttentionTests.

import Autodiff
import Layers
import TensorCore
import Testing

@Suite struct TransformerTests {
  private func parameters(_ layer: some Layer, _ input: Shape) throws -> [String: Parameter] {
    var graph = Graph()
    _ = try layer(graph.input(input), in: &graph)
    return Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, $0) })
  }

  /// `sum(p.numel() for p in GPT().parameters())` of the benchmark's model, and of GPT(65, 384, 6, 6, 256).
  @Test func theBenchmarkModelHasAsManyParametersAsPyTorchs() throws {
    let small = try parameters(GPT(vocabulary: 65, context: 64, width: 128, layers: 4, heads: 4), [2, 64])
    #expect(small.values.reduce(0) { $0 + $1.shape.count } == 818_176)
    let large = try parameters(GPT(vocabulary: 65, context: 256, width: 384, layers: 6, heads: 6), [1, 256])
    #expect(large.values.reduce(0) { $0 + $1.shape.count } == 10_795_776)
  }

  @Test func aTiedModelHasNoHeadOfItsOwn() throws {
    let tied = try parameters(
      GPT(vocabulary: 9, context: 4, width: 6, layers: 1, heads: 2, tiesWeights: true), [2, 4])
    let free = try parameters(GPT(vocabulary: 9, context: 4, width: 6, layers: 1, heads: 2), [2, 4])
    #expect(Set(free.keys).subtracting(tied.keys) == ["head.weight"])
    #expect(Set(tied.keys).isSubset(of: free.keys))
  }

  @Test func smallNormalBeginsAsGPT2Does() throws {
    let model = GPT(vocabulary: 9, context: 4, width: 6, layers: 1, heads: 2, initialValue: .smallNormal)
    let small = Distribution.normal(mean: 0, standardDeviation: 0.02)
    for (name, parameter) in try parameters(model, [2, 4]) {
      let isNorm = ["n1", "n2", "norm"].contains { name.contains("\($0).") }
      let expected: Distribution =
        name.hasSuffix("bias") ? .constant(0) : isNorm ? .constant(1) : small
      #expect(parameter.initialValue == expected, "\(name)")
    }
  }

  @Test func theDefaultBeginsAsPyTorchsLayersDo() throws {
    let model = try parameters(GPT(vocabulary: 9, context: 4, width: 16, layers: 1, heads: 2), [2, 4])
    #expect(model["tok.weight"]?.initialValue == .normal(mean: 0, standardDeviation: 1))
    #expect(model["pos"]?.initialValue == .normal(mean: 0, standardDeviation: 0.02))
    for name in ["at.qkv.weight", "at.qkv.bias", "up.weight", "up.bias"] {
      #expect(model["blocks.0.\(name)"]?.initialValue == .uniform(lower: -0.25, upper: 0.25), "\(name)")
    }
    #expect(model["blocks.0.dn.weight"]?.initialValue == .uniform(lower: -0.125, upper: 0.125))

    // nn.MultiheadAttention has values of its own: √(6 / (16 + 48)).
    let attention = try parameters(MultiHeadAttention("a", 16, heads: 2), [2, 4, 16])
    let bound = Float((6.0 / 64).squareRoot())
    #expect(attention["a.in_proj_weight"]?.initialValue == .uniform(lower: -bound, upper: bound))
    #expect(attention["a.out_proj.weight"]?.initialValue == .uniform(lower: -0.25, upper: 0.25))
    #expect(attention["a.in_proj_bias"]?.initialValue == .constant(0))
    #expect(attention["a.out_proj.bias"]?.initialValue == .constant(0))
  }

  @Test func dropoutComesInBehindTheEmbeddingAndEachHalfOfABlockOnlyInTraining() throws {
    func dropouts(isTraining: Bool, rate: Double) throws -> Int {
      var graph = Graph(isTraining: isTraining)
      let model = GPT(vocabulary: 9, context: 4, width: 6, layers: 3, heads: 2, dropout: rate)
      _ = try model(graph.input([2, 4]), in: &graph)
      return graph.records.count { if case .dropout = $0.operation { true } else { false } }
    }
    #expect(try dropouts(isTraining: true, rate: 0.1) == 7)
    #expect(try dropouts(isTraining: false, rate: 0.1) == 0)
    #expect(try dropouts(isTraining: true, rate: 0) == 0)
  }

  @Test func sequencesMayBeShorterThanTheContext() throws {
    let model = GPT(vocabulary: 9, context: 8, width: 6, layers: 1, heads: 2)
    var graph = Graph()
    let logits = try model(graph.input([2, 3]), in: &graph)
    #expect(graph.shape(of: logits) == [2, 3, 9])
    #expect(graph.parameters.first { $0.name == "pos" }?.shape == [8, 6])
  }
}
