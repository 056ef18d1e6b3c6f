import MessagePassing

/// What rank `sender` sends to rank `receiver` as element `index` of its message number `message`: another
/// value for each of the four.
private func value(_ sender: Int, _ receiver: Int, _ message: Int, _ index: Int) -> Float {
  Float(((sender * 8 + receiver) * 128 + message) * 16 + index % 16)
}

/// Exchanges messages, described as (peer, length), and checks what arrives. The receives of a pair are to
/// match the sends of the other side; how the lists are interleaved between peers is the caller's choice.
private func checkExchange(
  _ world: any Communicator, sends: [(peer: Int, count: Int)], receives: [(peer: Int, count: Int)]
) throws {
  func allocate(_ list: [(peer: Int, count: Int)]) -> [Message] {
    list.map { Message(peer: $0.peer, memory: .allocate(capacity: $0.count)) }
  }
  let outgoing = allocate(sends)
  let incoming = allocate(receives)
  defer { for message in outgoing + incoming { message.memory.deallocate() } }
  var numbers: [Int: Int] = [:]
  for message in outgoing {
    let number = numbers[message.peer, default: 0]
    numbers[message.peer] = number + 1
    for index in message.memory.indices {
      message.memory.initializeElement(at: index, to: value(world.rank, message.peer, number, index))
    }
  }
  for message in incoming { message.memory.initialize(repeating: -1) }
  try outgoing.withUnsafeBufferPointer { sends in
    try incoming.withUnsafeBufferPointer { receives in
      try world.exchange(sends: sends, receives: receives)
    }
  }
  numbers = [:]
  for message in incoming {
    let number = numbers[message.peer, default: 0]
    numbers[message.peer] = number + 1
    try check(
      each: message.memory, equals: { value(message.peer, world.rank, number, $0) },
      "message \(number) of \(message.memory.count) floats from rank \(message.peer) to rank \(world.rank)")
  }
}

/// Sends messages of these lengths to the next rank and receives as many from the one before.
func checkRing(_ world: any Communicator, lengths: [Int]) throws {
  if world.size == 1 { return }
  let next = (world.rank + 1) % world.size
  let previous = (world.rank + world.size - 1) % world.size
  try checkExchange(
    world, sends: lengths.map { (next, $0) }, receives: lengths.map { (previous, $0) })
}

private func start(_ world: any Communicator, sends: [Message], receives: [Message]) throws {
  try sends.withUnsafeBufferPointer { sends in
    try receives.withUnsafeBufferPointer { receives in
      try world.startExchange(sends: sends, receives: receives)
    }
  }
}

extension Scenario {
  static let exchanges: [Scenario] = [
    Scenario("several messages to one rank arrive in their order, short, long and empty ones") { world in
      try checkRing(world, lengths: [3, 0, 100_000, 1, 3, 3, 50_000, 0])
    },

    Scenario("all ranks send to all others, with lengths of their own") { world in
      // Twice, so that memory is used again.
      for round in 1...2 {
        func count(_ sender: Int, _ receiver: Int) -> Int { (sender * 5 + receiver * 3) * 700 * round }
        let others = (0..<world.size).filter { $0 != world.rank }
        try checkExchange(
          world, sends: others.map { ($0, count(world.rank, $0)) },
          receives: others.reversed().map { ($0, count($0, world.rank)) })
      }
    },

    Scenario("messages are matched pair by pair, however the lists are interleaved") { world in
      let others = (0..<world.size).filter { $0 != world.rank }
      // Sent peer by peer, received message by message.
      let sends = others.flatMap { peer in (0..<5).map { (peer: peer, count: 10 + $0) } }
      let receives = (0..<5).flatMap { number in others.reversed().map { (peer: $0, count: 10 + number) } }
      try checkExchange(world, sends: sends, receives: receives)
    },

    Scenario("some only send and others only receive") { world in
      let isSender = world.rank % 2 == 0
      let peers = (0..<world.size).filter { ($0 % 2 == 0) != isSender }
      let messages = peers.map { (peer: $0, count: 20_000) }
      try checkExchange(world, sends: isSender ? messages : [], receives: isSender ? [] : messages)
    },

    Scenario("started messages match pair by pair, however they are dealt to calls") { world in
      let others = (0..<world.size).filter { $0 != world.rank }
      let lengths = [3, 0, 70_000, 1, 500]
      for step in 0..<3 {
        func number(_ sender: Int, _ receiver: Int, _ message: Int) -> Float {
          Float(((step * 8 + sender) * 8 + receiver) * 8 + message)
        }
        let incoming = others.map { peer in
          lengths.map { Message(peer: peer, memory: .allocate(capacity: $0)) }
        }
        let outgoing = lengths.indices.map { message in
          others.map { Message(peer: $0, memory: .allocate(capacity: lengths[message])) }
        }
        defer { for message in (incoming + outgoing).joined() { message.memory.deallocate() } }
        for message in incoming.joined() { message.memory.initialize(repeating: -1) }
        for (index, messages) in outgoing.enumerated() {
          for message in messages {
            message.memory.initialize(repeating: number(world.rank, message.peer, index))
          }
        }
        // All receives of a peer at once; the sends one after the other, with other calls between them.
        for messages in incoming { try start(world, sends: [], receives: messages) }
        for messages in outgoing {
          try start(world, sends: messages, receives: [])
          try world.progress()
          try checkRing(world, lengths: [5, 40_000])
        }
        try world.finishExchanges()
        for (index, message) in incoming.flatMap({ $0.enumerated() }) {
          try check(
            each: message.memory, equals: { _ in number(message.peer, world.rank, index) },
            "message \(index) from rank \(message.peer), step \(step)")
        }
      }
    },

    Scenario("more messages are exchanged than any buffer was made for") { world in
      try checkRing(world, lengths: (0..<100).map { $0 % 9 })
    },
  ]
}
