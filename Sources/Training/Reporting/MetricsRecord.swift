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

  /// Reads `metrics.jsonl`. A last line that was cut off while it was written is left out.
  public static func read(at path: String) throws(ReportingError) -> [MetricsRecord] {
    try lines(at: path, skippingUnreadable: false).compactMap(\.record)
  }

  /// A line of a file.
  struct Line {
    let bytes: Data
    let step: Int
    let seconds: Double
    /// nil where the line tells of an event.
    let record: MetricsRecord?
  }

  /// What every line has, and what events have besides.
  private struct Common: Decodable {
    let event: String?
    let step: Int
    let seconds: Double
  }

  /// The lines of a file, without a torn last line.
  ///
  /// - Parameter skippingUnreadable: to leave out other unreadable lines too; else they are errors.
  static func lines(
    at path: String, skippingUnreadable: Bool
  ) throws(ReportingError) -> [Line] {
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw ReportingError(
        at: path, expected: "a regular file", found: "a folder, pipe or device",
        remedy: "Move it away; a run writes its metrics there.")
    }
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw ReportingError(
        at: path, expected: "a readable file of metrics", found: error.localizedDescription,
        remedy: "Check the path; a run writes RUN/metrics.jsonl.")
    }
    let decoder = JSONDecoder()
    var result: [Line] = []
    var start = data.startIndex
    var number = 1
    // Only what is followed by a line end was written completely.
    while let end = data[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = data[start..<end]
      do {
        let bytes = Data(line)
        let common = try decoder.decode(Common.self, from: bytes)
        let record = common.event == nil ? try decoder.decode(MetricsRecord.self, from: bytes) : nil
        result.append(Line(bytes: bytes, step: common.step, seconds: common.seconds, record: record))
      } catch  where skippingUnreadable {
        // Left out.
      } catch {
        throw ReportingError(
          at: "\(path):\(number)", expected: "a record such as {\"step\":50,\"epoch\":1,...}",
          found: "\"\(String(decoding: line.prefix(60), as: UTF8.self))\"",
          remedy: "Remove the line; the file is only a report, and training does not depend on it.")
      }
      start = data.index(after: end)
      number += 1
    }
    return result
  }
}
