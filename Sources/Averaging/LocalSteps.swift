/// Local steps with periodic averaging of the parameters: each worker trains on its part of every batch by itself; every so
/// many steps the distance that the workers have gone on the average is a gradient for an outer optimizer, SGD with
/// Nesterov momentum, and all go on from where that arrives. (DiLoCo, Douillard et al. 2023, algorithm 1.)
///
/// Less travels between workers, by the number of steps; in return the weights depend on the number of workers.
public struct LocalSteps: Sendable, Equatable {
  /// What trains by itself.
  public enum Workers: String, Sendable, CaseIterable {
    /// The ranks of a machine together, which average their gradients in every step.
    case machines
    /// Every rank.
    case ranks
  }

  /// Steps between two averagings, at most: there is one at the end of each epoch, too, and of the training.
  public var period: Int
  /// Of the outer optimizer.
  public var learningRate: Double
  /// Of the outer optimizer.
  public var momentum: Double
  public var workers: Workers

  public init(
    period: Int = 50, learningRate: Double = 0.7, momentum: Double = 0.9, workers: Workers = .machines
  ) {
    precondition(period > 0)
    self.period = period
    self.learningRate = learningRate
    self.momentum = momentum
    self.workers = workers
  }
}
