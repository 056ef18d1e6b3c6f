import MessagePassing

/// Something that several ranks do together, with the checks that it went well. Each is run among threads
/// (`InProcessWorld`) and among processes (`distributed-runner` under mpirun).
package struct Scenario: Sendable, CustomStringConvertible {
  /// What is true if the scenario ends without an error; unique.
  package let name: String
  /// The numbers of ranks it makes sense with.
  package let ranks: ClosedRange<Int>
  /// What one rank does. Throws `CheckFailure` where a value is not what it must be.
  package let body: @Sendable (any Communicator) throws -> Void

  package init(
    _ name: String, ranks: ClosedRange<Int> = 1...64,
    body: @escaping @Sendable (any Communicator) throws -> Void
  ) {
    self.name = name
    self.ranks = ranks
    self.body = body
  }

  package var description: String { name }
}

/// All scenarios; each file contributes its own.
package let allScenarios: [Scenario] =
  Scenario.collectives + Scenario.deferredSums + Scenario.exchanges + Scenario.setUp + Scenario.splitting
  + Scenario.averaging

/// The numbers by which a user knows these ranks: those in the job, of which they may be a part.
func numbersInJob(_ ranks: any Communicator) throws -> [Int] {
  try ranks.allgather(bytes: [UInt8(ranks.rankInJob)]).map { Int($0[0]) }
}

/// A value that is not what it must be.
package struct CheckFailure: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Throws unless `found` equals `expected`; `what` says which value it is.
package func check<Value: Equatable>(
  _ found: Value, equals expected: Value, _ what: @autoclosure () -> String
) throws {
  if found != expected { throw CheckFailure("\(what()): expected \(expected), found \(found)") }
}

/// Throws unless `condition` holds.
package func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
  if !condition { throw CheckFailure(what()) }
}

/// Throws unless element i of `found` equals `expected(i)`, for every i.
package func check<Values: RandomAccessCollection>(
  each found: Values, equals expected: (Int) -> Values.Element, _ what: @autoclosure () -> String
) throws where Values.Element: Equatable {
  for (index, value) in found.enumerated() where value != expected(index) {
    throw CheckFailure("\(what()), element \(index): expected \(expected(index)), found \(value)")
  }
}
