import Autodiff
import Datasets
import TensorCore

/// One shard with memory of its own for everything that a pass over it needs: samples, activations, gradients.
final class HeldShard {
  /// Samples; 0 where it holds none in this step.
  private(set) var count = 0
  private(set) var memory: Bindings<Float>

  private let samples: Arena<Int>
  private let inputs: Arena<Float>
  private let labels: Arena<Int32>
  private let values: Arena<Float>
  private let weights: Arena<Float>
  private let gradients: Arena<Float>
  private let activations: Arena<Float>
  private let seed: UInt64
  /// Of one sample.
  private let (inputSize, labelCount, valueCount): (Int, Int, Int)

  /// - Parameter capacity: samples, at most.
  init(
    capacity: Int, data: any Dataset, layout: VectorLayout, activationCount: Int, parameters: Arena<Float>,
    seed: UInt64
  ) {
    self.seed = seed
    (inputSize, labelCount) = (data.inputSize, data.target.labelsPerSample)
    valueCount = data.target.valuesPerSample
    samples = Arena(count: capacity)
    inputs = Arena(count: capacity * inputSize)
    labels = Arena(count: capacity * labelCount)
    values = Arena(count: capacity * valueCount)
    weights = Arena(count: data.isWeighted ? capacity : 0)
    gradients = Arena(count: layout.gradientCount)
    activations = Arena(count: activationCount)
    memory = Bindings(
      parameters: UnsafePointer(parameters.base), gradients: gradients.base,
      riders: gradients.base + layout.riders.lowerBound, activations: activations.base)
    memory.inputs = UnsafePointer(inputs.base)
  }

  /// Copies the samples of a shard, whose own memory the loader soon fills again.
  func take(_ shard: Loader.Shard) {
    guard let source = shard.samples.baseAddress else { preconditionFailure("a shard has samples") }
    count = shard.count
    samples.base.update(from: source, count: count)
    inputs.base.update(from: shard.inputs, count: count * inputSize)
    memory.labels = copy(shard.targets.labels, to: labels, labelCount)
    memory.targets = copy(shard.targets.values, to: values, valueCount)
    memory.weights = copy(shard.targets.weights, to: weights, 1)
    memory.key = PassKey(seed: seed, step: UInt64(shard.step), samples: samples.base)
  }

  private func copy<Value>(
    _ source: UnsafeMutablePointer<Value>?, to arena: Arena<Value>, _ perSample: Int
  ) -> UnsafePointer<Value>? {
    guard let source else { return nil }
    arena.base.update(from: source, count: count * perSample)
    return UnsafePointer(arena.base)
  }

  /// In this step it has no samples.
  func leaveEmpty() { count = 0 }

  func copyGradients(to target: UnsafeMutablePointer<Float>) {
    target.update(from: gradients.base, count: gradients.count)
  }
}
