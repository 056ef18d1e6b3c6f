import MessagePassing

/// Ways to deal ranks to parts: all together, each alone, by turns, in two halves, and with gaps between the colors.
private func colorings(_ size: Int) -> [(Int) -> Int] {
  [{ _ in 0 }, { $0 }, { $0 % 2 }, { $0 < (size + 1) / 2 ? 7 : 3 }, { 1_000_000 * ($0 % 3) }]
}

/// The ranks of the world that have the color of `rank`.
private func members(_ rank: Int, _ size: Int, _ color: (Int) -> Int) -> [Int] {
  (0..<size).filter { color($0) == color(rank) }
}

extension Scenario {
  package static let splitting: [Scenario] = [
    Scenario("a part has the ranks of its color, in their order") { world in
      for color in colorings(world.size) {
        let part = try world.split(color: color(world.rank))
        let expected = members(world.rank, world.size, color)
        try check(part.size, equals: expected.count, "size of the part")
        try check(expected[part.rank], equals: world.rank, "who has this rank in the part")
        try check(part.rankInJob, equals: world.rankInJob, "this rank's number in the job")
        let found = try part.allgather(bytes: [UInt8(world.rank)])
        try check(found, equals: expected.map { [UInt8($0)] }, "who is in the part")
        try World(part).leave()
      }
    },

    Scenario("a part knows which of its ranks share a machine") { world in
      for color in colorings(world.size) {
        let part = try world.split(color: color(world.rank))
        let mine = members(world.rank, world.size, color)
        let expected = world.machines.map { machine in
          mine.indices.filter { machine.contains(mine[$0]) }
        }.filter { !$0.isEmpty }
        try check(part.machines.map(Array.init), equals: expected, "the machines of the part")
        try check(part.machine.name, equals: world.machine.name, "the name of the machine")
        try check(part.machine.ranks.contains(part.rank), "rank \(part.rank) is not on its own machine")
        try check(expected.contains(part.machine.ranks), "ranks \(part.machine.ranks) are no machine")
        try check(
          part.machine.ranksOfJob, equals: world.machine.ranksOfJob, "ranks of the job on the machine")
        try World(part).leave()
      }
    },

    // The parts make different calls, and a different number of them, while messages of the world are under way.
    Scenario("parts and the world work side by side without meeting each other's messages", ranks: 2...64) {
      world in
      let part = try world.split(color: world.rank % 2)
      let mine = members(world.rank, world.size) { $0 % 2 }
      let next = (world.rank + 1) % world.size
      let before = (world.rank + world.size - 1) % world.size
      let around = Pair(sending: Float(world.rank))
      try around.start(over: world, to: next, from: before)
      let rounds = 3 + 4 * (world.rank % 2)
      for round in 0..<rounds {
        var sum = (0..<5000).map { Float((world.rank + 1) * ($0 % 7 + round)) }
        try sum.withUnsafeMutableBufferPointer { try part.allreduce($0, .sum) }
        let factor = mine.reduce(0) { $0 + $1 + 1 }
        try check(each: sum, equals: { Float(factor * ($0 % 7 + round)) }, "sum over the part")
        var later = (0..<100).map { Float(world.rank + $0) }
        try later.withUnsafeMutableBufferPointer { memory in
          try part.startAllreduce(memory)
          try part.finishAllreduces()
        }
        try check(
          each: later, equals: { index in Float(mine.reduce(0) { $0 + $1 + index }) },
          "started sum over the part")
        if part.size > 1 {
          let peers = ((part.rank + 1) % part.size, (part.rank + part.size - 1) % part.size)
          let inside = Pair(sending: Float(100 * round + world.rank))
          try inside.start(over: part, to: peers.0, from: peers.1)
          try part.finishExchanges()
          try check(inside.received, equals: Float(100 * round + mine[peers.1]), "message inside the part")
        }
      }
      try world.finishExchanges()
      try check(around.received, equals: Float(before), "message around the world")
      try World(part).leave()
      try world.barrier()
    },

    Scenario("memory is shared by the ranks of a part alone") { world in
      let part = try world.split(color: world.rank % 2)
      let mine = members(world.rank, world.size) { $0 % 2 }
      guard case .window(let window) = try part.makeSharedWindow(bytes: 8) else {
        throw CheckFailure("no shared memory")
      }
      try check(window.parts.count, equals: part.machine.ranks.count, "rooms of the window")
      window.parts[window.position].storeBytes(of: Int64(world.rank), as: Int64.self)
      try window.meet()
      let found = window.parts.map { Int($0.load(as: Int64.self)) }
      try check(found, equals: part.machine.ranks.map { mine[$0] }, "what the others have written")
      try window.meet()
    },

    Scenario("a part can be split again, and the end of the whole ends what is left of it") { world in
      let half = try world.split(color: world.rank % 2)
      let pair = try half.split(color: half.rank / 2)
      let expected = members(world.rank, world.size) { $0 % 2 * 100 + $0 / 2 / 2 }
      try check(
        try pair.allgather(bytes: [UInt8(world.rank)]), equals: expected.map { [UInt8($0)] },
        "a part of a part")
      // The part that is left takes its own along; what it was a part of goes on.
      try World(half).leave()
      try world.barrier()
      _ = try world.split(color: 0).split(color: 0)
    },

    Scenario("a part that nobody uses any more is left, with its memory; one that somebody uses stays") {
      world in
      let kept = world.rank == 0 ? try world.split(color: world.rank % 2) : nil
      if kept == nil { _ = try world.split(color: world.rank % 2) }
      for _ in 0..<3 {
        guard case .window = try world.split(color: world.rank % 2).makeSharedWindow(bytes: 1 << 20) else {
          throw CheckFailure("no shared memory")
        }
      }
      _ = try world.makeSharedWindow(bytes: 8)
      guard let whole = world as? MPICommunicator else { return }
      // Rank 0 holds on to its first part.
      let expected = members(0, world.size) { $0 % 2 }.contains(world.rank) ? 1 : 0
      try check(whole.parts.count, equals: expected, "parts")
      try withExtendedLifetime(kept) { try world.barrier() }
    },

    Scenario("a part has the patience of the whole, and then its own") { world in
      world.patience = 123
      let part = try world.split(color: 0)
      try check(part.patience, equals: 123, "patience at the split")
      part.patience = 5
      try check(world.patience, equals: 123, "patience of the whole")
      world.patience = 3600
    },

    Scenario("notes inside a part stay inside", ranks: 2...64) { world in
      let part = try world.split(color: world.rank % 2)
      guard let whole = world as? any NotePassing, let passing = part as? any NotePassing else { return }
      let note = [Int](repeating: world.rank, count: 8)
      if part.rank > 0 { note.withUnsafeBytes { passing.sendNote($0, to: 0) } }
      try world.barrier()
      var found: [Int] = []
      var memory = [Int](repeating: -1, count: 8)
      while part.rank == 0 && found.count < part.size - 1 {
        try memory.withUnsafeMutableBytes { memory in
          try check(whole.takeNote(into: memory) == nil, "a note of a part has reached the whole")
          guard let note = passing.takeNote(into: memory) else { return }
          try check(note.count, equals: 64, "bytes of the note")
          found.append(note.sender)
        }
      }
      try check(found.sorted(), equals: part.rank == 0 ? Array(1..<part.size) : [], "who has sent notes")
      try world.barrier()
    },
  ]
}

/// Ten floats that go to one rank while ten come from another.
private final class Pair {
  private let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 20)

  init(sending value: Float) {
    for index in memory.indices { memory[index] = index < 10 ? value : -1 }
  }

  deinit { memory.deallocate() }

  /// What has come; -1 for values that differ.
  var received: Float {
    let values = Set(memory[10...])
    return values.count == 1 ? memory[10] : -1
  }

  func start(over communicator: any Communicator, to receiver: Int, from sender: Int) throws {
    let sends = [Message(peer: receiver, memory: .init(rebasing: memory[..<10]))]
    let receives = [Message(peer: sender, memory: .init(rebasing: memory[10...]))]
    try sends.withUnsafeBufferPointer { sends in
      try receives.withUnsafeBufferPointer { receives in
        try communicator.startExchange(sends: sends, receives: receives)
      }
    }
  }
}
