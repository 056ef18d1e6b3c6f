/// What is wrong with something a user gave (a file, a configuration, a shape, data), in the four parts
/// that are needed to mend it.
public struct Diagnosis: Sendable, Equatable, CustomStringConvertible {
  /// Where it is wrong: a path, a path and an offset, a configuration key, a layer.
  public let place: String
  /// What would have been right there.
  public let expected: String
  /// What is there instead.
  public let found: String
  /// What to do about it: one or more whole sentences.
  public let remedy: String

  public init(at place: String, expected: String, found: String, remedy: String) {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  public var description: String { "\(place): expected \(expected), found \(found). \(remedy)" }
}

/// An error that a user can mend. Each module has its own type, so that a caller knows what can come.
public protocol DiagnosedError: Error, Sendable, CustomStringConvertible {
  var diagnosis: Diagnosis { get }
  init(_ diagnosis: Diagnosis)
}

extension DiagnosedError {
  public init(at place: String, expected: String, found: String, remedy: String) {
    self.init(Diagnosis(at: place, expected: expected, found: found, remedy: remedy))
  }

  public var description: String { diagnosis.description }
}
