import Autodiff
import Averaging
import Datasets
import Foundation
import Layers
import TensorCore

/// Bytes that the first rank, which needs most, will have resident at its highest, by what they are for.
public struct MemoryPlan: Sendable, Equatable, Codable {
  public var parameters = 0.0
  /// Sums of this rank's shards, and what others' arrive in.
  public var gradients = 0.0
  public var optimizerState = 0.0
  /// What passes of shards leave behind for their backward halves, scratch memory included.
  public var activations = 0.0
  /// The samples that are being gathered while others are trained on.
  public var inputs = 0.0
  /// The samples themselves, measured.
  public var data = 0.0
  /// What trying the model needs.
  public var validation = 0.0
  /// The copies from which checkpoints are written while training goes on.
  public var saving = 0.0
  /// Of the program, its libraries and what these keep, measured.
  public var program = 0.0
  /// What is among all this and the ranks of a machine have together.
  public var shared = 0.0

  public init() {}

  public var total: Double {
    parameters + gradients + optimizerState + activations + inputs + data + validation + saving + program
  }

  /// What does not have to be measured.
  init(_ subject: PlanSubject) throws {
    let (layout, data) = (subject.objective.layout, subject.data)
    let share = RankShare(subject, batch: subject.batch)
    let float = Double(MemoryLayout<Float>.stride)
    // With what parameters are rounded from.
    let stateCount =
      subject.optimizer.rule.stateNames.count + (subject.optimizer.averageDecay == nil ? 0 : 1)
      + (subject.wire == .float32 ? 0 : 1)
    parameters = float * Double(layout.vectorCount)
    gradients = float * Double(share.bufferCount * layout.gradientCount + share.receivedCount)
    optimizerState = float * Double(stateCount * share.owned.count)

    if subject.averaging == .periodic {
      // Where the workers were, how far each has gone, and the outer optimizer's state.
      parameters += float * Double(layout.vectorCount)
      gradients += float * Double(layout.gradientCount)
      optimizerState += float * Double(share.owned.count)
    }

    let sizes = Set(subject.batchSizes.flatMap { subject.shards.ranges(ofBatch: $0).map(\.count) })
    let plans = try sizes.filter { $0 > 0 }.map { try subject.objective.trainingPlan(batch: $0) }
    activations = float * Double(plans.map(\.activationCount).max() ?? 0)
    inputs =
      Double(
        Loader.byteCount(for: data, batchSizes: subject.batchSizes) { batch in
          Array(subject.shards.ranges(ofBatch: batch)[share.run])
        })
    if plans.contains(where: { !$0.synchronizations.isEmpty }) {
      // Shards that meet are all held at once.
      let held = Double(share.run.count)
      activations *= held
      gradients += held * float * Double(layout.gradientCount)
      inputs += held * float * Double((sizes.max() ?? 0) * data.inputSize)
    }
    validation = float * Double(try Self.trialCount(subject))
    if subject.saves {
      // A checkpoint is written from copies, and from pieces of the other owners' states.
      let slices =
        subject.averaging == .allreduce ? Slices(whole: layout) : Slices(layout, ranks: subject.ranks)
      saving = float * Double(layout.vectorCount + StateStream.copiedCount(slices, vectorCount: stateCount))
    }
  }

  /// The elements that passes over the validation and test samples hold.
  private static func trialCount(_ subject: PlanSubject) throws(GraphError) -> Int {
    var sizes: Set<Int> = []
    for data in subject.trials {
      sizes.formUnion([min(data.count, subject.trialShard), data.count % subject.trialShard])
    }
    var count = 0
    for size in sizes where size > 0 {
      let plan = try subject.objective.evaluationPlan(batch: size)
      count += plan.activationCount + plan.resultCount + size * subject.data.inputSize
      count += size * (subject.data.target.labelsPerSample + subject.data.target.valuesPerSample + 1)
    }
    return count
  }

  /// What a process that talks to others through Open MPI 4 has resident besides: measured with two ranks.
  static let messagePassing = 8.0 * 1_048_576
}
