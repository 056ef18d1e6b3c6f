import AllocationCounter
import Datasets
import Foundation
import TensorCore
import Testing

@Suite struct AugmentedDatasetTests {
  private let all: [Augmentation] = [
    .mixup(alpha: 0.4), .cutout(size: 3), .colorJitter(brightness: 0.4, contrast: 0.4, saturation: 0.4),
    .horizontalFlip(), .crop(padding: 2), .affine(rotation: 20, translation: 0.1, scale: 0.8...1.2),
  ]

  /// Images of which no two are alike, 3 × 6 × 8; labels go round.
  private func images(
    _ count: Int = 40, classes: Int = 5, _ normalization: Normalization = .unit
  ) throws -> ByteImages {
    var stream = RandomStream(seed: 9, purpose: .test)
    return try ByteImages(
      pixels: (0..<count * 144).map { _ in UInt8(stream.integer(below: 256)) },
      labels: (0..<count).map { Int32($0 % classes) }, inputShape: [3, 6, 8],
      classNames: (0..<classes).map(String.init), normalization: normalization)
  }

  private func image(_ data: any Dataset, _ sample: Int, epoch: Int = 0) -> [Float] {
    data.filled([sample], epoch: epoch).inputs
  }

  @Test func aSampleDependsOnItsNumberAndEpochOnly() throws {
    for augmentations in [all, Array(all.dropFirst())] {
      let data = try AugmentedDataset(images(), augmentations, seed: 7)
      let order = (0..<40).map { ($0 * 17 + 5) % 40 }
      let together = data.filled(order, epoch: 3)
      let targets = together.targets.count / 40
      for (row, sample) in order.enumerated() {
        let alone = data.filled([sample], epoch: 3)
        #expect(alone.inputs == Array(together.inputs[144 * row..<144 * row + 144]))
        #expect(alone.targets == Array(together.targets[targets * row..<targets * row + targets]))
      }
      // Made anew, asked for in halves: as a resumed run or other ranks would.
      let again = try AugmentedDataset(images(), augmentations, seed: 7)
      #expect(again.filled(Array(order[20...]), epoch: 3).inputs == Array(together.inputs[(144 * 20)...]))
    }
  }

  @Test func epochsSeedsAndSamplesDiffer() throws {
    let same = try ByteImages(
      pixels: (0..<2).flatMap { _ in (0..<144).map { UInt8($0) } }, labels: [0, 1], inputShape: [3, 6, 8],
      classNames: ["a", "b"])
    for augmentation in all.dropFirst() where augmentation != .horizontalFlip() {
      let data = try AugmentedDataset(same, [augmentation], seed: 7)
      let other = try AugmentedDataset(same, [augmentation], seed: 8)
      var seen: Set<[Float]> = []
      for epoch in 0..<6 {
        for sample in 0..<2 { seen.insert(image(data, sample, epoch: epoch)) }
        seen.insert(image(other, 0, epoch: epoch))
      }
      // Few places: by chance some coincide.
      #expect(seen.count > 9)
    }
  }

  @Test func noTwoSamplesOfManyAreChangedAlike() throws {
    let same = try ByteImages(
      pixels: (0..<300).flatMap { _ in (0..<144).map { UInt8($0) } },
      labels: [Int32](repeating: 0, count: 300), inputShape: [3, 6, 8], classNames: ["a"])
    for augmentation in [Augmentation.affine(rotation: 30), .colorJitter(contrast: 0.5)] {
      let inputs = try AugmentedDataset(same, [augmentation], seed: 7).filled(Array(0..<300)).inputs
      var seen: Set<[Float]> = []
      for sample in 0..<300 { seen.insert(Array(inputs[144 * sample..<144 * sample + 144])) }
      #expect(seen.count == 300)
    }
  }

  @Test func listingOrderMakesNoDifference() throws {
    let forward = try AugmentedDataset(images(), all, seed: 7)
    let backward = try AugmentedDataset(images(), all.reversed(), seed: 7)
    #expect(forward.filled(Array(0..<40)).inputs == backward.filled(Array(0..<40)).inputs)
    #expect(forward.digest() == backward.digest())
    #expect(try forward.digest() != AugmentedDataset(images(), all, seed: 8).digest())
    #expect(try forward.digest() != AugmentedDataset(images(), Array(all.dropLast()), seed: 7).digest())
  }

  @Test func noAugmentationChangesNothing() throws {
    let data = try AugmentedDataset(images(), [], seed: 7)
    #expect(try data.filled([3, 9]).inputs == images().filled([3, 9]).inputs)
    #expect(data.filled([3, 9]).targets == [3, 4])
  }

  @Test func halfOfTheImagesAreFlipped() throws {
    let base = try images()
    let data = try AugmentedDataset(base, [.horizontalFlip()], seed: 7)
    let always = try AugmentedDataset(base, [.horizontalFlip(probability: 1)], seed: 7)
    var flipped = 0
    for epoch in 0..<50 {
      for sample in 0..<40 {
        let changed = image(data, sample, epoch: epoch)
        if changed == image(always, sample) {
          flipped += 1
        } else {
          #expect(changed == image(base, sample))
        }
      }
    }
    // 2,000 fair throws, five standard deviations.
    #expect(abs(flipped - 1000) < 112)
  }

  @Test func everyPlaceOfTheCropIsTakenEquallyOften() throws {
    let normalization = Normalization.standard(mean: [0.5, 0.25, 0.1], standardDeviation: [0.5, 0.25, 0.2])
    let base = try images(40, normalization)
    let data = try AugmentedDataset(base, [.crop(padding: 1)], seed: 7)
    // Black after normalization: −mean / deviation.
    let black: [Float] = [-1, -1, -0.5]
    var counts: [Int: Int] = [:]
    for epoch in 0..<45 {
      for sample in 0..<40 {
        let source = image(base, sample)
        let changed = image(data, sample, epoch: epoch)
        var matches = 0
        for place in 0..<9 {
          var window = [Float](repeating: 0, count: 144)
          PixelGeometry.shift(
            source, ImageShape(channels: 3, height: 6, width: 8), down: place / 3 - 1, right: place % 3 - 1,
            black: black, into: &window)
          if window == changed {
            matches += 1
            counts[place, default: 0] += 1
          }
        }
        #expect(matches == 1)
      }
    }
    // 1,800 draws from 9 places: 200 each, five standard deviations of 13.3.
    for place in 0..<9 { #expect(abs((counts[place] ?? 0) - 200) < 67) }
  }

  @Test func jitterKeepsWhatItSays() throws {
    // Colours in the middle, so that nothing is cut off.
    var stream = RandomStream(seed: 3, purpose: .test)
    let base = try ByteImages(
      pixels: (0..<30 * 144).map { _ in UInt8(100 + stream.integer(below: 50)) },
      labels: [Int32](repeating: 0, count: 30), inputShape: [3, 6, 8], classNames: ["a"],
      normalization: .standard(mean: [0.5, 0.25, 0.1], standardDeviation: [0.5, 0.25, 0.2]))
    let plain = try base.normalized(by: .unit)
    func colors(_ augmentation: Augmentation, _ sample: Int) throws -> (before: [Double], after: [Double]) {
      let changed = try image(AugmentedDataset(base, [augmentation], seed: 7), sample)
      let unit = try image(AugmentedDataset(plain, [augmentation], seed: 7), sample).map(Double.init)
      // Whatever the normalization, the same colours.
      for index in 0..<144 {
        let channel = index / 48
        let color = Double(changed[index]) * [0.5, 0.25, 0.2][channel] + [0.5, 0.25, 0.1][channel]
        #expect(abs(color - unit[index]) < 1e-6)
      }
      return (image(plain, sample).map(Double.init), unit)
    }
    func luma(_ image: [Double], _ pixel: Int) -> Double {
      0.299 * image[pixel] + 0.587 * image[48 + pixel] + 0.114 * image[96 + pixel]
    }
    var factors: [Double] = []
    for sample in 0..<30 {
      let bright = try colors(.colorJitter(brightness: 0.3), sample)
      let factor = bright.after[0] / bright.before[0]
      for (before, after) in zip(bright.before, bright.after) { #expect(abs(after - factor * before) < 1e-6) }
      factors.append(factor)
      let contrast = try colors(.colorJitter(contrast: 0.3), sample)
      let means = [contrast.before, contrast.after].map { image in
        (0..<48).reduce(0) { $0 + luma(image, $1) } / 48
      }
      #expect(abs(means[0] - means[1]) < 1e-6)
      let slope = (contrast.after[0] - means[0]) / (contrast.before[0] - means[0])
      for (before, after) in zip(contrast.before, contrast.after) {
        #expect(abs(after - means[0] - slope * (before - means[0])) < 1e-5)
      }
      factors.append(slope)
      let saturation = try colors(.colorJitter(saturation: 0.3), sample)
      for pixel in 0..<48 {
        #expect(abs(luma(saturation.before, pixel) - luma(saturation.after, pixel)) < 1e-6)
      }
      let grey = luma(saturation.before, 0)
      let ratio = (saturation.after[0] - grey) / (saturation.before[0] - grey)
      #expect(abs(saturation.after[48] - grey - ratio * (saturation.before[48] - grey)) < 1e-5)
      factors.append(ratio)
    }
    #expect(factors.allSatisfy { 0.69 < $0 && $0 < 1.31 })
    #expect((factors.min() ?? 1) < 0.75 && (factors.max() ?? 1) > 1.25)
  }

  @Test func jitterCutsColoursOff() throws {
    let base = try images()
    let data = try AugmentedDataset(base, [.colorJitter(brightness: 1, contrast: 1)], seed: 7)
    let colors = (0..<10).flatMap { image(data, 0, epoch: $0) }
    #expect(colors.allSatisfy { 0...1 ~= $0 } && colors.contains(1))
  }

  @Test func cutoutLeavesAHole() throws {
    let base = try images(40, .standard(mean: [0.7, 0.7, 0.7], standardDeviation: [0.001, 0.001, 0.001]))
    let data = try AugmentedDataset(base, [.cutout(size: 3)], seed: 7)
    var middles: Set<Int> = []
    for epoch in 0..<100 {
      let before = image(base, 1)
      let after = image(data, 1, epoch: epoch)
      let holes = (0..<48).filter { after[$0] == 0 && after[48 + $0] == 0 && after[96 + $0] == 0 }
      #expect([4, 6, 9].contains(holes.count))
      for index in 0..<144 where !holes.contains(index % 48) { #expect(after[index] == before[index]) }
      middles.insert(holes[holes.count / 2])
    }
    #expect(middles.count > 30)
  }

  @Test func mixupMixesTwoSamplesOfAllWithTheirProbabilities() throws {
    let base = try images(20, classes: 20)
    let data = try AugmentedDataset(base, [.mixup(alpha: 0.4)], seed: 7)
    #expect(data.target == .probabilities(20))
    let plain = (0..<20).map { image(base, $0) }
    var partners = [Int](repeating: 0, count: 20)
    var shares: [Double] = []
    for epoch in 0..<60 {
      for sample in 0..<20 {
        let filled = data.filled([sample], epoch: epoch)
        #expect(abs(filled.targets.reduce(0, +) - 1) < 1e-6)
        let others = (0..<20).filter { $0 != sample && filled.targets[$0] > 0 }
        #expect(others.count <= 1)
        let share = Float(filled.targets[sample])
        if let other = others.first {
          partners[other] += 1
          shares.append(Double(share))
          for index in stride(from: 0, to: 144, by: 13) {
            let expected = share * plain[sample][index] + (1 - share) * plain[other][index]
            #expect(abs(filled.inputs[index] - expected) < 1e-5)
          }
        } else if share == 1 {
          #expect(zip(filled.inputs, plain[sample]).allSatisfy { abs($0 - $1) < 1e-5 })
        }
      }
    }
    // 1,200 draws from 20: 60 each, five standard deviations of 7.6; a little fewer, where λ rounds to 1.
    for count in partners { #expect(count > 20 && count < 98) }
    // Beta(0.4, 0.4) has the variance 1 / (4 (2 α + 1)) = 0.1389.
    let mean = shares.reduce(0, +) / Double(shares.count)
    let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shares.count)
    #expect(abs(mean - 0.5) < 0.055 && abs(variance - 0.1389) < 0.02)
  }

  @Test(arguments: [0.1, 0.4, 1, 3] as [Float]) func betaHasItsMoments(_ alpha: Float) {
    var stream = RandomStream(seed: 5, purpose: .test)
    let draws = (0..<4000).map { _ in Double(stream.symmetricBeta(alpha)) }
    #expect(draws.allSatisfy { 0...1 ~= $0 })
    let mean = draws.reduce(0, +) / 4000
    let deviations = draws.map { $0 - mean }
    let variance = deviations.reduce(0) { $0 + $1 * $1 } / 4000
    let fourth = deviations.reduce(0) { $0 + $1 * $1 * $1 * $1 } / 4000
    let a = Double(alpha)
    let expected = 1 / (4 * (2 * a + 1))
    #expect(abs(mean - 0.5) < 5 * (expected / 4000).squareRoot())
    #expect(abs(variance / expected - 1) < 0.1)
    // Kurtosis of a symmetric beta: 3 − 6 / (2 α + 3).
    #expect(abs(fourth / (expected * expected) - (3 - 6 / (2 * a + 3))) < 0.25)
  }

  @Test func betaOfAHalfFollowsTheArcsineLaw() {
    var stream = RandomStream(seed: 6, purpose: .test)
    let count = 40_000
    let draws = (0..<count).map { _ in Double(stream.symmetricBeta(0.5)) }.sorted()
    var distance = 0.0
    for (index, draw) in draws.enumerated() {
      let expected = 2 / Double.pi * asin(draw.squareRoot())
      distance = max(distance, abs(expected - Double(index) / Double(count)))
    }
    // Kolmogorov and Smirnov's bound for one accident in a thousand: 1.95 / 200.
    #expect(distance < 0.00975)
  }

  @Test func mixupChangesBothSamplesFirst() throws {
    let base = try images(1)
    let changes: [Augmentation] = [.horizontalFlip(probability: 1)]
    let mixed = try AugmentedDataset(base, changes + [.mixup(alpha: 1)], seed: 7)
    let flipped = try image(AugmentedDataset(base, changes, seed: 7), 0)
    // The only partner is the sample itself.
    #expect(zip(image(mixed, 0), flipped).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let base = try images()
    func refusal(_ augmentations: [Augmentation], _ data: (any Dataset)? = nil) -> String {
      let error = #expect(throws: DatasetError.self) {
        try AugmentedDataset(data ?? base, augmentations, seed: 1)
      }
      return error?.description ?? ""
    }
    #expect(refusal([.crop(padding: 7)]).contains("7"))
    #expect(refusal([.crop(padding: 0)]).contains("crop"))
    #expect(refusal([.horizontalFlip(probability: 1.5)]).contains("1.5"))
    #expect(refusal([.affine(rotation: 200)]).contains("180 degrees"))
    #expect(refusal([.affine(scale: 0...1)]).contains("scales"))
    #expect(refusal([.colorJitter(brightness: 2)]).contains("brightness"))
    #expect(refusal([.cutout(size: 13)]).contains("13"))
    #expect(refusal([.mixup(alpha: 0)]).contains("alpha"))
    #expect(refusal([.crop(padding: 1), .crop(padding: 2)]).contains("crop twice"))
    #expect(refusal([.crop(padding: 1)], try numbered(3)).contains("[3]"))
    let values = try TensorDataset(
      inputs: [1, 2, 3, 4], inputShape: [1, 2, 2], values: [1])
    #expect(refusal([.mixup(alpha: 1)], values).contains("a class each"))
    #expect(refusal([.colorJitter(saturation: 0.5)], values).contains("three channels"))
  }

  /// Without optimization the compiler itself allocates, for closures.
  private static var isOptimized: Bool {
    #if DEBUG
      false
    #else
      true
    #endif
  }

  @Test(.enabled(if: isOptimized)) func fillingAllocatesNothing() throws {
    let base = try images()
    let held = try base.holdOut(fraction: 0.25, .random(seed: 1)).training
    for augmentations in [all, Array(all.dropFirst())] {
      let data = try AugmentedDataset(held, augmentations, seed: 7)
      var inputs = [Float](repeating: 0, count: 16 * 144)
      var labels = [Int32](repeating: 0, count: 16)
      var values = [Float](repeating: 0, count: 16 * 5)
      let samples = Array(0..<16)
      var count = 0
      inputs.withUnsafeMutableBufferPointer { inputs in
        labels.withUnsafeMutableBufferPointer { labels in
          values.withUnsafeMutableBufferPointer { values in
            samples.withUnsafeBufferPointer { samples in
              guard let inputs = inputs.baseAddress else { return }
              let targets = TargetMemory(labels: labels.baseAddress, values: values.baseAddress)
              for pass in 0..<2 {
                allocation_counter_arm()
                data.fill(samples, epoch: 2, inputs: inputs, targets: targets)
                let allocations = allocation_counter_disarm()
                if pass == 1 { count = allocations }
              }
            }
          }
        }
      }
      #expect(count == 0)
    }
  }

  @Test func aLoaderGivesTheSameToAnyNumberOfRanks() throws {
    let data = try AugmentedDataset(images(), all, seed: 7)
    let sampler = try Sampler(seed: 1, count: 40, batch: 16)
    func samples(_ shards: [[Range<Int>]]) throws -> [Int: [Float]] {
      var found: [Int: [Float]] = [:]
      for ranges in shards {
        let loader = try Loader(data, sampler: sampler, steps: 4) { count in
          ranges.map { $0.clamped(to: 0..<count) }
        }
        while let shard = loader.next() {
          for row in 0..<shard.count {
            let image = UnsafeBufferPointer(start: shard.inputs + 144 * row, count: 144)
            found[shard.epoch * 1000 + shard.samples[row]] = Array(image)
          }
        }
      }
      return found
    }
    let one = try samples([[0..<16]])
    #expect(one.count > 48)
    #expect(try samples([[0..<3, 3..<7], [7..<16]]) == one)
  }
}
