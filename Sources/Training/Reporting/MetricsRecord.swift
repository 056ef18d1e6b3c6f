import Foundation

/// One line of `metrics.jsonl` that tells how good the model is. Lines with an `event` tell other things.
public struct MetricsRecord: Sendable, Equatable, Codable {
  /// What the numbers were measured on.
  public enum Split: String, Sendable, CaseIterable, Codable { case train, validation, test }

  /// Optimizer steps done since the training began.
  public var step: Int
  /// The epoch that the step belongs to, from 1.
  public var epoch: Int
  public var split: Split
  /// The mean over samples; NaN or infinite when training has gone astray (`null` in the file, which
  /// reads back as NaN).
  public var loss: Double
  /// The part of samples whose class was found, 0...1; nil where there are no classes.
  public var accuracy: Double?
  /// Over all ranks; nil where nobody counted.
  public var samplesPerSecond: Double?
  /// Since the run began, resumed parts added up.
  public var seconds: Double
  /// The part of the steps since the last record that each rank waited for others, messages included, 0...1; nil for
  /// one rank.
  public var waits: [Double]?
  /// Steps so far that changed nothing, for their numbers could not be used; nil where there are none.
  public var skipped: Int?

  public init(
    step: Int, epoch: Int, split: Split, loss: Double, accuracy: Double? = nil,
    samplesPerSecond: Double? = nil, seconds: Double
  ) {
    self.step = step
    self.epoch = epoch
    self.split = split
    self.loss = loss
    self.accuracy = accuracy
    self.samplesPerSecond = samplesPerSecond
    self.seconds = seconds
  }

  private enum CodingKeys: String, CodingKey {
    case step, epoch, split, loss, accuracy, samplesPerSecond, seconds, waits, skipped
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    step = try values.decode(Int.self, forKey: .step)
    epoch = try values.decode(Int.self, forKey: .epoch)
    split = try values.decode(Split.self, forKey: .split)
    loss = try values.decode(Double?.self, forKey: .loss) ?? .nan
    accuracy = try values.decodeIfPresent(Double.self, forKey: .accuracy)
    samplesPerSecond = try values.decodeIfPresent(Double.self, forKey: .samplesPerSecond)
    seconds = try values.decode(Double.self, forKey: .seconds)
    waits = try values.decodeIfPresent([Double].self, forKey: .waits)
    skipped = try values.decodeIfPresent(Int.self, forKey: .skipped)
  }

  /// The record as one line of JSON, without its end. Written by hand: the order of the keys is fixed, and
  /// numbers are the shortest that read back to the same value.
  package var json: String {
    var line =
      "{\"step\":\(step),\"epoch\":\(epoch),\"split\":\"\(split.rawValue)\",\"loss\":\(Self.json(loss))"
    if let accuracy { line += ",\"accuracy\":\(Self.json(accuracy))" }
    if let samplesPerSecond {
      line += ",\"samplesPerSecond\":\(Self.json((samplesPerSecond * 10).rounded() / 10))"
    }
    if let skipped { line += ",\"skipped\":\(skipped)" }
    if let waits {
      line += ",\"waits\":[\(waits.map { Self.json(($0 * 1e3).rounded() / 1e3) }.joined(separator: ","))]"
    }
    return line + ",\"seconds\":\(Self.json((seconds * 1e4).rounded() / 1e4))}"
  }

  /// JSON knows no NaN and no infinity.
  private static func json(_ number: Double) -> String { number.isFinite ? "\(number)" : "null" }

  // MARK: - Reading

  /// The bytes of the shortest record.
  private static let fewestBytes = 57

  /// Reads `metrics.jsonl`. A last line that was cut off while it was written is left out.
  public static func read(at path: String) throws(ReportingError) -> [MetricsRecord] {
    var lines = try MetricsLines(at: path)
    var records: [MetricsRecord] = []
    // Growing bit by bit would take twice the memory; what is not needed of this one takes none.
    records.reserveCapacity(lines.fileSize / fewestBytes)
    while let line = try lines.next() {
      guard let line else { throw lines.unreadable() }
      if let record = line.record { records.append(record) }
    }
    return records
  }
}
