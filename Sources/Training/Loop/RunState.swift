import Foundation
import Optimizers

/// What a checkpoint holds besides tensors: where the run is and what it was computed with.
struct RunState: Codable, Equatable {
  static let name = "state.json"

  struct Best: Codable, Equatable {
    var step: Int
    var epoch: Int
    var loss: Double
    var accuracy: Double?

    /// Accuracy counts where there is one, else the loss.
    func isBetter(than other: Best?) -> Bool {
      guard let other else { return true }
      if let accuracy, let otherAccuracy = other.accuracy { return accuracy > otherAccuracy }
      return loss < other.loss
    }
  }

  var format = 1
  /// Steps taken.
  var step: Int
  var epochSums: StepSums
  var intervalSums: StepSums
  var best: Best?
  /// Where the learning rate follows the validation loss.
  var plateau: Plateau?
  var earlyStopping: EarlyStopping?
  /// Where there are any.
  var skipped: SkippedSteps?
  /// The configuration, as far as weights depend on it.
  var identity: String
  var data: String
  var program: String
  var libraries: String
  var processor: String
  var ranks: Int

  func encoded() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    return Array(try encoder.encode(self))
  }

  init(
    step: Int, epochSums: StepSums, intervalSums: StepSums, best: Best?, identity: String, data: String,
    program: String, libraries: String, processor: String, ranks: Int
  ) {
    self.step = step
    self.epochSums = epochSums
    self.intervalSums = intervalSums
    self.best = best
    self.identity = identity
    self.data = data
    self.program = program
    self.libraries = libraries
    self.processor = processor
    self.ranks = ranks
  }

  init(_ bytes: [UInt8]) throws { self = try JSONDecoder().decode(RunState.self, from: Data(bytes)) }
}
