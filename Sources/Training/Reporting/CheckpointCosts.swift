/// What checkpoints cost on rank 0, added up.
public struct CheckpointCosts: Sendable, Equatable {
  public private(set) var count = 0
  public private(set) var sum = CheckpointCost()

  public init() {}

  init(_ cost: CheckpointCost) { add(cost) }

  public mutating func add(_ cost: CheckpointCost) {
    count += 1
    sum.bytes += cost.bytes
    sum.foregroundSeconds += cost.foregroundSeconds
    sum.backgroundSeconds += cost.backgroundSeconds
    sum.processorSeconds += cost.processorSeconds
  }

  /// A line of text; of several, what each cost on average.
  public var text: String {
    let share = 1 / Double(max(count, 1))
    let each = count > 1 ? "\(count), each " : ""
    return "\(each)\(NumberText.bytes(Double(sum.bytes) * share)), "
      + "training waited \(Self.milliseconds(sum.foregroundSeconds * share)), "
      + "written in \(Self.milliseconds(sum.backgroundSeconds * share)) "
      + "(\(Self.milliseconds(sum.processorSeconds * share)) of a processor)"
  }

  private static func milliseconds(_ seconds: Double) -> String {
    let milliseconds = seconds * 1e3
    return milliseconds < 10
      ? "\((milliseconds * 10).rounded() / 10) ms" : "\(NumberText.grouped(milliseconds)) ms"
  }
}

/// The line of a checkpoint in `metrics.jsonl`.
struct CheckpointRecord {
  let step: Int
  let epoch: Int
  let cost: CheckpointCost
  /// Since the run began, resumed parts added up.
  let seconds: Double

  /// One line of JSON, without its end.
  var json: String {
    func rounded(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e6 }
    return "{\"step\":\(step),\"epoch\":\(epoch),\"event\":\"checkpoint\",\"bytes\":\(cost.bytes),"
      + "\"foregroundSeconds\":\(rounded(cost.foregroundSeconds)),"
      + "\"backgroundSeconds\":\(rounded(cost.backgroundSeconds)),"
      + "\"processorSeconds\":\(rounded(cost.processorSeconds)),\"seconds\":\((seconds * 1e4).rounded() / 1e4)}"
  }
}
