/// The messages between `startExchange` and `finishExchanges`, of one rank of an in-process world.
///
/// MPI leaves open when they travel. Here they arrive at the last moment, and what is received into holds a pattern
/// that is no number until then, so that code that reads it early goes wrong at once; code that writes to it, or to
/// what is sent, is found out.
struct StartedMessages {
  private(set) var sends: [Message] = []
  private(set) var receives: [Message] = []
  /// What is sent by each, as it was when it started.
  private var values: [[UInt32]] = []

  private static let pattern: UInt32 = 0x7FC0_DEAD

  /// - Parameters: those that are under way already, and more behind them.
  mutating func start(sends: [Message], receives: [Message]) {
    for message in receives[self.receives.count...] {
      message.memory.update(repeating: Float(bitPattern: Self.pattern))
    }
    values += sends[self.sends.count...].map { $0.memory.map(\.bitPattern) }
    (self.sends, self.receives) = (sends, receives)
  }

  var whatWasTouched: String? {
    for (message, values) in zip(sends, values) where !message.memory.map(\.bitPattern).elementsEqual(values)
    {
      return "another value in what is sent to rank \(message.peer)"
    }
    for message in receives where message.memory.contains(where: { $0.bitPattern != Self.pattern }) {
      return "another value where rank \(message.peer)'s message is to come"
    }
    return nil
  }
}
