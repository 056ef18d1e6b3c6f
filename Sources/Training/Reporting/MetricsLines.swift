import Foundation

/// Reads `metrics.jsonl` line by line: a run of weeks has many.
struct MetricsLines {
  struct Line {
    let bytes: Data
    let step: Int
    let seconds: Double
    /// nil where the line tells of an event.
    let record: MetricsRecord?
  }

  /// What every line has, and what events have besides.
  private struct Entry: Decodable {
    let step: Int
    let seconds: Double
    let record: MetricsRecord?

    private enum CodingKeys: String, CodingKey { case event, step, seconds }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      step = try values.decode(Int.self, forKey: .step)
      seconds = try values.decode(Double.self, forKey: .seconds)
      let event = try values.decodeIfPresent(String.self, forKey: .event)
      record = event == nil ? try MetricsRecord(from: decoder) : nil
    }
  }

  /// Those of thousands of ranks that waited have a part of it.
  private static let longestLine = 1 << 18
  private static let piece = 1 << 16

  let fileSize: Int
  private let path: String
  private let file: FileHandle
  private let decoder = JSONDecoder()
  /// What has been read and not been looked at, from `start` on.
  private var buffer = Data()
  private var start = 0
  private var number = 0
  /// The beginning of the last line.
  private var beginning = Data()

  init(at path: String) throws(ReportingError) {
    var status = stat()
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw ReportingError(
        at: path, expected: "a regular file", found: "a folder, pipe or device",
        remedy: "Move it away; a run writes its metrics there.")
    }
    do {
      file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    } catch {
      throw Self.unreadable(path, error)
    }
    self.path = path
    fileSize = Int(status.st_size)
  }

  /// The next line; nil within where it cannot be understood, and nil where there are no more. Only what is followed by a
  /// line end was written completely, and counts.
  mutating func next() throws(ReportingError) -> Line?? {
    guard let (bytes, isWhole) = try nextBytes() else { return nil }
    number += 1
    beginning = bytes.prefix(60)
    guard isWhole, let entry = try? decoder.decode(Entry.self, from: bytes) else { return .some(nil) }
    return Line(bytes: bytes, step: entry.step, seconds: entry.seconds, record: entry.record)
  }

  /// What is said of a line that cannot be understood.
  func unreadable() -> ReportingError {
    ReportingError(
      at: "\(path):\(number)", expected: "a record such as {\"step\":50,\"epoch\":1,...}",
      found: "\"\(String(decoding: beginning, as: UTF8.self))\"",
      remedy: "Remove the line; the file is only a report, and training does not depend on it.")
  }

  /// The bytes of the next line, of one that is too long only the beginning.
  private mutating func nextBytes() throws(ReportingError) -> (Data, isWhole: Bool)? {
    var isWhole = true
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        defer { start = end + 1 }
        return (Data(buffer[start..<end]), isWhole && end - start <= Self.longestLine)
      }
      // Of a line that is too long its beginning stays, for a message.
      if buffer.count - start > Self.longestLine {
        isWhole = false
        buffer = Data(buffer[start..<start + 64])
      } else {
        buffer = Data(buffer[start...])
      }
      (start, searched) = (0, buffer.count)
      do {
        guard let more = try file.read(upToCount: Self.piece), !more.isEmpty else { return nil }
        buffer.append(more)
      } catch {
        throw Self.unreadable(path, error)
      }
    }
  }

  private static func unreadable(_ path: String, _ error: any Error) -> ReportingError {
    ReportingError(
      at: path, expected: "a readable file of metrics", found: error.localizedDescription,
      remedy: "Check the path; a run writes RUN/metrics.jsonl.")
  }
}
