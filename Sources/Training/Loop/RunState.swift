import Checkpoints
import Foundation
import Optimizers
import TensorCore

/// What a checkpoint holds besides tensors: where the run is and what it was computed with.
package struct RunState: Codable, Equatable {
  static let name = "state.json"

  package struct Best: Codable, Equatable {
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
  package var step: Int
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
  package var ranks: Int
  /// The shards of each worker, where workers train by themselves.
  var workers: [Int]?

  package func encoded() throws -> [UInt8] {
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

  /// Reads a state and checks that a run can be where it says; `place` is what messages call it.
  package init(_ bytes: [UInt8], at place: String) throws(CheckpointError) {
    guard bytes.count <= Self.greatestSize else { throw Self.wrong(place, "\(bytes.count) bytes") }
    if let excess = JSONBounds.excess(in: bytes, values: Self.mostValues, depth: 8) {
      throw Self.wrong(place, excess)
    }
    do {
      self = try JSONDecoder().decode(RunState.self, from: Data(bytes))
    } catch {
      throw Self.wrong(place, "text that is not such a state: \(error)")
    }
    guard format == 1 else { throw Self.wrong(place, "format \(format)") }
    let counts = [epochSums, intervalSums].allSatisfy { sums in
      sums.samples >= 0 && sums.correct >= 0 && sums.samples <= 1 << 60 && sums.correct <= 1 << 60
    }
    guard (0...1 << 60).contains(step), ranks > 0, counts else {
      throw Self.wrong(place, "step \(step), \(ranks) ranks, \(epochSums.samples) samples")
    }
  }

  /// Many times those that it has.
  private static let mostValues = 4096
  private static let greatestSize = 1 << 24

  private static func wrong(_ place: String, _ found: String) -> CheckpointError {
    CheckpointError(
      at: place, expected: "a run's state, of format 1, as Lockstep writes it", found: found,
      remedy: "Resume from an older checkpoint: move this one away.")
  }
}
