/// Lowers the learning rate when the validation loss has stopped falling, as PyTorch's ReduceLROnPlateau.
/// It is told the loss of every validation, the same on all ranks, and belongs to a run's saved state.
public struct Plateau: Sendable, Equatable, Codable {
  public struct Settings: Sendable, Equatable, Codable {
    /// What the learning rate is multiplied by.
    public var factor = 0.1
    /// Validations without improvement that are borne; one more lowers the learning rate.
    public var patience = 10
    /// The relative fall of the loss that counts as an improvement.
    public var threshold = 1e-4
    /// Validations after a lowering in which none is counted as bad.
    public var cooldown = 0
    /// The learning rate stays above it.
    public var minimum = 0.0

    public init() {}
  }

  public let settings: Settings
  /// What schedules start from now.
  public private(set) var learningRate: Double
  /// The lowest loss so far; nil before the first finite one.
  public private(set) var best: Double?
  private var bad = 0
  private var cooling = 0

  public init(_ settings: Settings, learningRate: Double) {
    self.settings = settings
    self.learningRate = learningRate
  }

  /// - Returns: whether the learning rate has been lowered.
  public mutating func observe(loss: Double) -> Bool {
    if loss.isFinite, best.map({ loss < $0 * (1 - settings.threshold) }) ?? true {
      best = loss
      bad = 0
    } else {
      bad += 1
    }
    if cooling > 0 {
      cooling -= 1
      bad = 0
    }
    guard bad > settings.patience else { return false }
    cooling = settings.cooldown
    bad = 0
    let lower = max(learningRate * settings.factor, settings.minimum)
    // Changes too small to matter are not made, as in PyTorch.
    guard learningRate - lower > 1e-8 else { return false }
    learningRate = lower
    return true
  }
}
