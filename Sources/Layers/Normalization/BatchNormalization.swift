import Autodiff
import TensorCore

/// Batch normalization: (x − mean) / √(variance + ε) · weight + bias, each channel for itself.
/// x [batch, channels] or [batch, channels, …]. Ioffe and Szegedy, 2015.
///
/// In training, mean and variance are those of a shard of the batch, so a shard needs two values of each channel;
/// the running ones follow the mean over the shards. Otherwise they are the running ones.
///
/// Synchronized, they are those of the whole batch, whatever its shards and whoever computes them; then only the
/// whole batch needs two values of each channel. A rank then computes all of its shards together, and holds so
/// many times the activations of one, and all ranks exchange 8 bytes a channel and shard, twice in a step.
///
/// Parameters and buffers as PyTorch's `BatchNorm1d` and `BatchNorm2d`: `weight`, `bias`, `running_mean` and
/// `running_var`, [channels]; the running variance is that over n − 1.
public struct BatchNormalization: Layer {
  public let name: String
  public let channels: Int
  /// m in running = old + m·(the shards' mean − old), after every step.
  public let momentum: Double
  /// Keeps the root away from 0.
  public let epsilon: Double
  /// Whether training, too, takes the running statistics, and leaves them as they are.
  public let isFrozen: Bool
  /// Whether mean and variance are those of the whole batch instead of a shard's.
  public let isSynchronized: Bool

  public init(
    _ name: String, _ channels: Int, momentum: Double = 0.1, epsilon: Double = 1e-5, isFrozen: Bool = false,
    isSynchronized: Bool = false
  ) {
    precondition(channels > 0, "\(name): a batch normalization has channels")
    precondition((0...1).contains(momentum), "\(name): a momentum is from 0 to 1")
    precondition(epsilon > 0, "\(name): epsilon is above 0")
    self.name = name
    self.channels = channels
    self.momentum = momentum
    self.epsilon = epsilon
    self.isFrozen = isFrozen
    self.isSynchronized = isSynchronized
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.scope(name) { graph throws(GraphError) in
      let weight = try graph.parameter("weight", [channels], initialValue: .constant(1))
      let bias = try graph.parameter("bias", [channels], initialValue: .constant(0))
      let mean = try graph.buffer(
        "running_mean", [channels], initialValue: .constant(0), momentum: momentum)
      let variance = try graph.buffer(
        "running_var", [channels], initialValue: .constant(1), momentum: momentum)
      return try graph.batchNormalization(
        x, weight: weight, bias: bias, runningMean: mean, runningVariance: variance, epsilon: epsilon,
        isFrozen: isFrozen, isSynchronized: isSynchronized)
    }
  }
}
