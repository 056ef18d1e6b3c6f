import MessagePassing

/// Does something on every rank; if it fails on any, all throw, with every rank's message once.
///
/// - Parameter doers: ranks that really do something; nil: all. A message of all of them stands alone, without their
///   numbers.
@discardableResult
package func together<Result>(
  _ communicator: any Communicator, summarizedFor doers: Int? = nil, _ body: () throws -> Result
) throws -> Result {
  let outcome = Swift.Result { try body() }
  var failure: String?
  if case .failure(let error) = outcome { failure = "\(error)" }
  let failures = try agree(onFailureOf: failure, over: communicator)
  guard failures.isEmpty else {
    throw AgreedFailure(messages: summarize(failures, size: doers ?? communicator.size))
  }
  return try outcome.get()
}

/// Does something on every rank; if it fails on any, all throw: those where it failed their own error.
func eachOrNone<Result>(_ communicator: any Communicator, _ body: () throws -> Result) throws -> Result {
  let outcome = Swift.Result { try body() }
  var failure: String?
  if case .failure(let error) = outcome { failure = "\(error)" }
  let failures = try agree(onFailureOf: failure, over: communicator)
  let result = try outcome.get()
  guard failures.isEmpty else {
    throw AgreedFailure(messages: summarize(failures, size: communicator.size))
  }
  return result
}

/// Does something with what an earlier start has left. What goes wrong with it says nothing of the training.
func takingUp<Result>(_ body: () throws -> Result) throws -> Result {
  do { return try body() } catch var error as AgreedFailure {
    error.isRefusalToResume = true
    throw error
  }
}

/// What went wrong on some ranks; all of them throw the same.
public struct AgreedFailure: Error, CustomStringConvertible {
  public let messages: [String]
  /// Whether it is about what an earlier start has left, and not about the training itself.
  package var isRefusalToResume = false

  public var description: String { messages.joined(separator: "\n") }
}
