import TensorCore
import Testing

import Optimizers

@Suite struct ParameterGroupTests {
  static let layout = VectorLayout([
    ("head.bias", [10]), ("head.weight", [10, 700]), ("norm.weight", [33]), ("body.weight", [50, 100]),
    ("body.bias", [50]),
  ])

  private func filled(_ seed: UInt64) -> Arena<Float> {
    let arena = Arena<Float>(count: Self.layout.count)
    var stream = RandomStream(seed: seed, purpose: .test)
    for entry in Self.layout.entries { for index in entry.range { arena.base[index] = stream.normal() } }
    return arena
  }

  /// One step of owners of the given slices, as they would make it together.
  private func step(
    _ owners: [OptimizerState], _ parameters: Arena<Float>, _ gradients: Arena<Float>, _ step: Int,
    learningRate: Double
  ) {
    var scales: [Float] = []
    for owner in owners {
      let own = gradients.base + owner.range.lowerBound
      let scale = owner.penalize(parameters: parameters.base, gradients: own, scale: 0.5)
      owner.prepare(parameters: parameters.base, gradients: own, scale: scale, step: step)
      scales.append(scale)
    }
    // The owners exchange their block sums.
    let blocks = Self.layout.blocks
    for giver in owners {
      for taker in owners {
        guard let given = giver.norms, let taken = taker.norms else { continue }
        for (index, block) in blocks.enumerated() where giver.range.contains(block.lowerBound) {
          taken.blockSums.base[index] = given.blockSums.base[index]
        }
      }
    }
    for (owner, scale) in zip(owners, scales) {
      owner.update(
        parameters: parameters.base, gradients: gradients.base + owner.range.lowerBound, scale: scale,
        learningRate: learningRate, step: step)
    }
  }

  static let optimizers: [Optimizer] = [
    Optimizer(.lars(trustCoefficient: 0.02, weightDecay: 0.1), learningRate: 0.1),
    Optimizer(.lars(momentum: 0, trustCoefficient: 0.02), learningRate: 0.1),
    Optimizer(.lars(nesterov: true, trustCoefficient: 0.1, epsilon: 3), learningRate: 0.1),
    Optimizer(.lamb(), learningRate: 0.01), Optimizer(.lamb(weightDecay: 0), learningRate: 0.01),
    Optimizer(.lamb(beta1: 0.8, beta2: 0.95, epsilon: 0.01, weightDecay: 0.3), learningRate: 0.01),
    grouped(.sgd(momentum: 0.9, weightDecay: 0.1)), grouped(.adam()), grouped(.adamW()), grouped(.rmsprop()),
    grouped(.adagrad(weightDecay: 0.1)), grouped(.lion(weightDecay: 0.1)), grouped(.lars(weightDecay: 0.1)),
    grouped(.lamb()),
  ]

  private static func grouped(_ rule: UpdateRule) -> Optimizer {
    var optimizer = Optimizer(rule, learningRate: 0.002)
    optimizer.groups = [
      ParameterGroup("head.w*", learningRateFactor: 5), ParameterGroup("head.*", weightDecay: 0.5),
      ParameterGroup("body.weight", learningRateFactor: 0),
    ]
    (optimizer.l1, optimizer.l2, optimizer.decaysNormsAndBiases) = (0.01, 0.03, false)
    optimizer.averageDecay = 0.9
    return optimizer
  }

  @Test(arguments: optimizers)
  func everyParameterFollowsItsFormulaWithItsOwnSettings(_ optimizer: Optimizer) {
    let layout = Self.layout
    let parameters = filled(1)
    let owner = OptimizerState(optimizer, layout: layout, range: 0..<layout.count)
    var references = layout.entries.map { entry in
      ReferenceUpdate(weights: entry.range.map { Double(parameters.base[$0]) }, rule: optimizer.rule)
    }
    var averages = references.map(\.weights)
    for number in 1...6 {
      let gradients = filled(UInt64(10 + number))
      for (index, entry) in layout.entries.enumerated() {
        let settings = optimizer.settings(for: entry)
        let own = zip(entry.range, references[index].weights).map { position, weight in
          0.5 * Double(gradients.base[position]) + settings.l2 * weight
            + settings.l1 * (weight < 0 ? -1.0 : 1.0)
        }
        references[index].apply(
          optimizer.rule, gradients: own, learningRate: optimizer.learningRate, step: number,
          settings: settings)
        let weights = references[index].weights
        averages[index] =
          number == 1 ? weights : zip(averages[index], weights).map { 0.9 * $0 + 0.1 * $1 }
      }
      step([owner], parameters, gradients, number, learningRate: optimizer.learningRate)
    }
    for (index, entry) in layout.entries.enumerated() {
      var worst = 0.0
      for (position, expected) in zip(entry.range, references[index].weights) {
        worst = max(worst, abs(Double(parameters.base[position]) - expected))
      }
      #expect(worst < 3e-6, "\(entry.name)")
      guard let average = owner.average else { continue }
      for (position, expected) in zip(entry.range, averages[index]) {
        worst = max(worst, abs(Double(average.base[position]) - expected))
      }
      #expect(worst < 3e-6, "average of \(entry.name)")
    }
  }

  @Test(arguments: optimizers)
  func ownersOfSlicesGiveTheBitsOfOneOwner(_ optimizer: Optimizer) {
    let layout = Self.layout
    let blocks = layout.blocks
    var expected: [UInt32]?
    for cuts in [[], [1], [3], [2, 4], [1, 2, 3, 5]] {
      let bounds = [0] + cuts.map { blocks[$0].lowerBound } + [layout.count]
      let owners = zip(bounds, bounds.dropFirst()).map {
        OptimizerState(optimizer, layout: layout, range: $0..<$1)
      }
      let parameters = filled(1)
      for number in 1...4 {
        step(owners, parameters, filled(UInt64(20 + number)), number, learningRate: optimizer.learningRate)
      }
      for owner in owners { owner.swapAverage(with: parameters.base) }
      let bits = parameters.buffer.map(\.bitPattern)
      if let expected { #expect(bits == expected, "\(cuts)") }
      expected = expected ?? bits
    }
  }

  @Test func aFrozenParameterKeepsItsBitsWhateverItsGradient() {
    var optimizer = Optimizer(.adamW(weightDecay: 0.5), learningRate: 0.1)
    optimizer.groups = [ParameterGroup("body.*", learningRateFactor: 0)]
    (optimizer.l1, optimizer.l2) = (1, 1)
    let (parameters, before) = (filled(1), filled(1))
    let owner = OptimizerState(optimizer, layout: Self.layout, range: 0..<Self.layout.count)
    step([owner], parameters, filled(2), 1, learningRate: 0.1)
    for entry in Self.layout.entries {
      for index in entry.range {
        let isSame = parameters.base[index].bitPattern == before.base[index].bitPattern
        #expect(isSame == entry.name.hasPrefix("body."))
      }
    }
    // Nor does it count in the norm of the gradient.
    let gradients = filled(2)
    let (all, some) = (GradientNorm(Self.layout), GradientNorm(Self.layout, optimizer: optimizer))
    for norm in [all, some] {
      norm.measure(0..<norm.blocks.count, gradients: gradients.base, startingAt: 0, scale: 1)
    }
    let head = Self.layout.entries[..<3].flatMap { $0.range.map { Double(gradients.base[$0]) } }
    let expected = head.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(abs(some.norm(of: some.blocks.indices) - expected) < 1e-9 * expected)
    #expect(all.norm(of: all.blocks.indices) > 1.1 * expected)
  }

  @Test func normsAndBiasesAreToldByTheirDimensions() {
    var optimizer = Optimizer(.lamb(weightDecay: 0.25), learningRate: 1)
    func settings(_ name: String) -> ParameterSettings? {
      Self.layout.entries.first { $0.name == name }.map(optimizer.settings)
    }
    #expect(settings("norm.weight") == ParameterSettings(weightDecay: 0.25))
    optimizer.decaysNormsAndBiases = false
    optimizer.l1 = 3
    #expect(settings("norm.weight") == ParameterSettings(isAdapted: false))
    #expect(settings("head.weight") == ParameterSettings(weightDecay: 0.25, l1: 3))
    optimizer.groups = [ParameterGroup("norm.*", weightDecay: 0.5)]
    #expect(settings("norm.weight") == ParameterSettings(weightDecay: 0.5, isAdapted: false))
  }

  @Test func patternsMatchWholeNames() {
    func matches(_ pattern: String, _ name: String) -> Bool { ParameterGroup(pattern).matches(name) }
    for pattern in ["head.weight", "*", "head.*", "*.weight", "h*d*w*t", "*head.weight*", "**"] {
      #expect(matches(pattern, "head.weight"), "\(pattern)")
    }
    for pattern in ["head", "weight", "head.", "head*.bias", "", "ead.weight", "*head", "head.weight.x"] {
      #expect(!matches(pattern, "head.weight"), "\(pattern)")
    }
    #expect(matches("*.0.*b", "a.0.1.0.ab") && !matches("*.0.*b", "a.0.1.0.a"))
    #expect(matches("", "") && matches("*", ""))
  }

  @Test func aGroupWithoutParametersIsFound() {
    var optimizer = Optimizer.sgd(learningRate: 1)
    optimizer.groups = [ParameterGroup("head.*"), ParameterGroup("haed.*"), ParameterGroup("*")]
    #expect(optimizer.emptyGroup(in: Self.layout)?.match == "haed.*")
    optimizer.groups.remove(at: 1)
    #expect(optimizer.emptyGroup(in: Self.layout) == nil)
  }
}
