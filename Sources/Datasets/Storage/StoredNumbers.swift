/// Numbers of a data set, which do not change: in an array, or in memory that somebody else keeps, as what all ranks of a
/// machine see.
struct StoredNumbers<Number: BitwiseCopyable & Sendable>: @unchecked Sendable {
  private enum Place {
    case array([Number])
    case memory(UnsafeBufferPointer<Number>, keptBy: AnyObject)
  }

  private let place: Place

  init(_ numbers: [Number]) { place = .array(numbers) }

  /// - Parameter owner: keeps the memory, in which nobody writes any more.
  init(_ memory: UnsafeBufferPointer<Number>, keptBy owner: AnyObject) {
    place = .memory(memory, keptBy: owner)
  }

  var count: Int {
    switch place {
    case .array(let numbers): numbers.count
    case .memory(let memory, _): memory.count
    }
  }

  var isEmpty: Bool { count == 0 }

  @inline(__always)
  func withUnsafeBufferPointer<Result, Failure: Error>(
    _ body: (UnsafeBufferPointer<Number>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch place {
    case .array(let numbers):
      return try numbers.withUnsafeBufferPointer(body)
    case .memory(let memory, let owner):
      defer { withExtendedLifetime(owner) {} }
      return try body(memory)
    }
  }
}

extension ContentHash {
  /// The same as for an array with these numbers.
  mutating func add<Number>(_ numbers: StoredNumbers<Number>) {
    numbers.withUnsafeBufferPointer { add(UnsafeRawBufferPointer($0)) }
  }
}
