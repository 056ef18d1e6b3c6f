import Foundation
import TensorCore

/// Writes `metrics.jsonl`, a record a line, each with one call, so that a line is there whole or was the
/// last thing that happened.
public final class MetricsWriter {
  private let path: String
  private let descriptor: Int32
  /// Seconds of the run before this process.
  private let secondsBefore: Double
  private let started = MonotonicTime.nanoseconds

  /// Opens the file for appending, or begins it.
  ///
  /// - Parameters:
  ///   - path: the file; its folder exists.
  ///   - step: where a resumed run goes on: records of later steps, and a torn last line, are
  ///     removed, and time goes on from the last record that stays. 0 begins anew.
  public init(at path: String, resumingAfterStep step: Int = 0) throws(ReportingError) {
    self.path = path
    secondsBefore =
      FileManager.default.fileExists(atPath: path)
      ? try Self.truncate(at: path, afterStep: step) : 0
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.failure(path, errno) }
  }

  deinit { close(descriptor) }

  /// Seconds since the run began, resumed parts added up.
  public var seconds: Double { secondsBefore + Double(MonotonicTime.nanoseconds &- started) * 1e-9 }

  /// Appends a record with the present time.
  public func write(
    step: Int, epoch: Int, split: MetricsRecord.Split, loss: Double, accuracy: Double? = nil,
    samplesPerSecond: Double? = nil
  ) throws(ReportingError) {
    try write(
      MetricsRecord(
        step: step, epoch: epoch, split: split, loss: loss, accuracy: accuracy,
        samplesPerSecond: samplesPerSecond, seconds: seconds))
  }

  /// Appends a record. When the disk takes only a part of it, the part is removed again.
  public func write(_ record: MetricsRecord) throws(ReportingError) { try append(record.json) }

  /// Appends what a checkpoint cost.
  func write(_ record: CheckpointRecord) throws(ReportingError) { try append(record.json) }

  private func append(_ json: String) throws(ReportingError) {
    var line = json + "\n"
    let (written, count, code) = line.withUTF8 { bytes -> (Int, Int, Int32) in
      var written = Foundation.write(descriptor, bytes.baseAddress, bytes.count)
      while written < 0 && errno == EINTR {
        written = Foundation.write(descriptor, bytes.baseAddress, bytes.count)
      }
      return (written, bytes.count, errno)
    }
    guard written == count else {
      if written > 0 {
        let end = lseek(descriptor, 0, SEEK_END)
        if end >= off_t(written) { _ = ftruncate(descriptor, end - off_t(written)) }
      }
      throw Self.failure(path, written < 0 ? code : ENOSPC)
    }
  }

  /// Removes the records of steps beyond `step`, and whatever is no record, by writing the file anew
  /// beside it and renaming. (A damaged report must not stand in the way of resuming.)
  ///
  /// - Returns: the seconds of the last record that stays.
  private static func truncate(at path: String, afterStep step: Int) throws(ReportingError) -> Double {
    var lines = try MetricsLines(at: path)
    var data = Data()
    var seconds = 0.0
    while let line = try lines.next() {
      guard let line, line.step <= step, step > 0 else { continue }
      data.append(line.bytes)
      data.append(UInt8(ascii: "\n"))
      seconds = line.seconds
    }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw ReportingError(
        at: path, expected: "to shorten the file of metrics", found: error.localizedDescription,
        remedy: "Check the permissions of the run's folder and the space on its disk.")
    }
    return seconds
  }

  private static func failure(_ path: String, _ code: Int32) -> ReportingError {
    ReportingError(
      at: path, expected: "to write a record of metrics", found: String(cString: strerror(code)),
      remedy: "Check the permissions of the run's folder and the space on its disk.")
  }
}
