import Foundation

/// The machines that a launch may use, as a host file lists them.
///
/// Open MPI's format, as far as it says which host has how many slots: a line for a host, `NAME slots=4
/// max_slots=8`; `#` begins a comment. A host that is named on several lines (as in PBS's `$PBS_NODEFILE`) has a slot for
/// each of them, where none says `slots`.
public struct Hostfile: Sendable, Equatable {
  public struct Host: Sendable, Equatable {
    public let name: String
    /// nil: as many as the host has cores, which only it knows.
    public var slots: Int?

    public init(_ name: String, slots: Int?) {
      self.name = name
      self.slots = slots
    }
  }

  public let path: String
  /// In the order of the file, each once.
  public let hosts: [Host]

  /// Reads a host file; throws what is wrong, with the line.
  public init(at path: String) throws(LaunchError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw LaunchError(
        at: path, expected: "a host file", found: "nothing that can be read",
        remedy: "Name a file with a line for each host, such as: node1 slots=4")
    }
    try self.init(String(decoding: data, as: UTF8.self), path: path)
  }

  /// - Parameter path: for messages, and for mpirun to read.
  package init(_ text: String, path: String) throws(LaunchError) {
    var hosts: [Host] = []
    var lines: [String: Int] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard let first = words.first else { continue }
      let place = "\(path), line \(index + 1)"
      let name = try Self.name(first, at: place)
      let slots = try Self.slots(words.dropFirst(), at: place)
      lines[name, default: 0] += 1
      if let known = hosts.firstIndex(where: { $0.name == name }) {
        hosts[known].slots =
          if let slots { (hosts[known].slots ?? 0) + slots } else { lines[name] }
      } else {
        hosts.append(Host(name, slots: slots))
      }
    }
    guard !hosts.isEmpty else {
      throw LaunchError(
        at: path, expected: "at least one host", found: "none",
        remedy: "Give each host a line, such as: node1 slots=4")
    }
    self.path = path
    self.hosts = hosts
  }

  private static func name(_ word: Substring, at place: String) throws(LaunchError) -> String {
    let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_.@".contains($0) }
    guard isPlain, word.first != "-" else {
      throw LaunchError(
        at: place, expected: "the name of a host", found: "\"\(word)\"",
        remedy: "Write the name, and its slots after a space: node1 slots=4")
    }
    return String(word)
  }

  /// What `slots=N` among the words of a line says.
  private static func slots(_ words: ArraySlice<Substring>, at place: String) throws(LaunchError) -> Int? {
    var result: Int?
    for word in words {
      let parts = word.split(separator: "=", omittingEmptySubsequences: false)
      let number = parts.count == 2 ? Int(parts[1]) : nil
      switch (parts[0], number) {
      case ("slots", let count?) where count >= 1: result = count
      case ("max_slots", let count?) where count >= 1: break
      case ("slots", _), ("max_slots", _):
        throw LaunchError(
          at: place, expected: "a number of slots from 1 up", found: "\"\(word)\"",
          remedy: "For example: slots=4")
      default:
        throw LaunchError(
          at: place, expected: "slots=N or max_slots=N after the host's name", found: "\"\(word)\"",
          remedy: "For example: node1 slots=4")
      }
    }
    return result
  }
}
