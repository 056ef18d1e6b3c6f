import Foundation

/// One collective call of a rank in an in-process world, and what it does for all ranks.
enum Call: CustomStringConvertible {
  case barrier
  case broadcast(root: Int, bytes: Int)
  case allreduce(ScalarKind, count: Int, Reduction)
  case finishAllreduces(counts: [Int])
  case allgather(ScalarKind, slices: [Range<Int>])
  case exchange
  case finishExchanges
  case allgatherBytes
  case split

  var description: String {
    switch self {
    case .barrier: "barrier"
    case .broadcast(let root, let bytes): "broadcast of \(bytes) bytes from rank \(root)"
    case .allreduce(let kind, let count, let reduction): "allreduce (\(reduction)) of \(count) \(kind) values"
    case .finishAllreduces(let counts): "finishAllreduces after sums of \(counts) floats"
    case .allgather(let kind, let slices): "allgather of \(kind) values in the slices \(slices)"
    case .exchange: "exchange"
    case .finishExchanges: "finishExchanges"
    case .allgatherBytes: "allgather(bytes:)"
    case .split: "split(color:)"
    }
  }

  /// Whether two ranks may meet with these calls. Every case is listed: a new one must be thought of.
  func matches(_ other: Call) -> Bool {
    switch (self, other) {
    case (.barrier, .barrier), (.exchange, .exchange), (.finishExchanges, .finishExchanges),
      (.allgatherBytes, .allgatherBytes), (.split, .split):
      true
    case (.broadcast(let root, let bytes), .broadcast(let otherRoot, let otherBytes)):
      root == otherRoot && bytes == otherBytes
    case (.allreduce(let kind, let count, let reduction), .allreduce(let otherKind, let other, let another)):
      kind == otherKind && count == other && reduction == another
    case (.finishAllreduces(let counts), .finishAllreduces(let others)): counts == others
    case (.allgather(let kind, let slices), .allgather(let otherKind, let others)):
      kind == otherKind && slices == others
    case (.barrier, _), (.broadcast, _), (.allreduce, _), (.finishAllreduces, _), (.allgather, _),
      (.exchange, _), (.finishExchanges, _), (.allgatherBytes, _), (.split, _):
      false
    }
  }

  /// Moves the data of all ranks, which have arrived with this call; `arrivals[r]` is rank r's. Returns
  /// what `allgatherBytes` and `split` give everyone.
  func perform(_ arrivals: [Arrival]) throws(MessagePassingError) -> [[UInt8]] {
    switch self {
    case .barrier: break
    case .broadcast(let root, let bytes):
      for (rank, arrival) in arrivals.enumerated() where rank != root {
        copy(from: arrivals[root].memory, to: arrival.memory, bytes: bytes)
      }
    case .allreduce(let kind, let count, let reduction):
      let memories = arrivals.compactMap(\.memory)
      if count == 0 { break }
      switch kind {
      case .float: reduce(memories.map { $0.assumingMemoryBound(to: Float.self) }, count, reduction)
      case .double: reduce(memories.map { $0.assumingMemoryBound(to: Double.self) }, count, reduction)
      case .int64: reduce(memories.map { $0.assumingMemoryBound(to: Int64.self) }, count, reduction)
      }
    case .finishAllreduces(let counts):
      for (index, count) in counts.enumerated() {
        for element in 0..<count {
          var sum = arrivals[0].started[index].values[element]
          for arrival in arrivals.dropFirst() { sum += arrival.started[index].values[element] }
          for arrival in arrivals { arrival.started[index].memory[element] = sum }
        }
      }
    case .allgather(let kind, let slices):
      for (owner, slice) in slices.enumerated() {
        let start = slice.lowerBound * kind.byteCount
        for (rank, arrival) in arrivals.enumerated() where rank != owner {
          copy(
            from: arrivals[owner].memory.map { $0 + start }, to: arrival.memory.map { $0 + start },
            bytes: slice.count * kind.byteCount)
        }
      }
    case .exchange, .finishExchanges: try deliver(arrivals)
    case .allgatherBytes, .split: return arrivals.map(\.bytes)
    }
    return []
  }
}

/// A rank's call with what it brings along. The memory is the rank's, which waits while others read it.
struct Arrival {
  let call: Call
  var memory: UnsafeMutableRawPointer?
  var started: [StartedSum] = []
  var sends = UnsafeBufferPointer<Message>(start: nil, count: 0)
  var receives = UnsafeBufferPointer<Message>(start: nil, count: 0)
  var bytes: [UInt8] = []

  init(
    _ call: Call, memory: UnsafeMutableRawPointer? = nil, started: [StartedSum] = [],
    sends: UnsafeBufferPointer<Message> = UnsafeBufferPointer(start: nil, count: 0),
    receives: UnsafeBufferPointer<Message> = UnsafeBufferPointer(start: nil, count: 0), bytes: [UInt8] = []
  ) {
    self.call = call
    self.memory = memory
    self.started = started
    self.sends = sends
    self.receives = receives
    self.bytes = bytes
  }
}

private func copy(from source: UnsafeMutableRawPointer?, to target: UnsafeMutableRawPointer?, bytes: Int) {
  guard let source, let target, bytes > 0 else { return }
  memmove(target, source, bytes)
}

/// Reduces `count` values of each rank, in the order of the ranks, and gives all ranks the result.
private func reduce<Scalar: MessageScalar>(
  _ memories: [UnsafeMutablePointer<Scalar>], _ count: Int, _ reduction: Reduction
) {
  for element in 0..<count {
    var result = memories[0][element]
    for memory in memories.dropFirst() {
      switch reduction {
      case .sum: result += memory[element]
      case .minimum: result = min(result, memory[element])
      case .maximum: result = max(result, memory[element])
      }
    }
    for memory in memories { memory[element] = result }
  }
}

/// Delivers the messages of an exchange: the k-th from a rank to another is the k-th that the other
/// receives from it.
private func deliver(_ arrivals: [Arrival]) throws(MessagePassingError) {
  for sender in arrivals.indices {
    for receiver in arrivals.indices where receiver != sender {
      let sent = arrivals[sender].sends.filter { $0.peer == receiver }
      let received = arrivals[receiver].receives.filter { $0.peer == sender }
      let lengths = (sent.map(\.memory.count), received.map(\.memory.count))
      if lengths.0 != lengths.1 {
        throw MessagePassingError(
          at: "exchange, from rank \(sender) to rank \(receiver)",
          expected: "messages of \(lengths.1) floats, which rank \(receiver) receives",
          found: "messages of \(lengths.0) floats, which rank \(sender) sends",
          remedy: "Both ranks must name the same messages in the same order.")
      }
      for (from, to) in zip(sent, received) {
        copy(
          from: UnsafeMutableRawPointer(from.memory.baseAddress),
          to: UnsafeMutableRawPointer(to.memory.baseAddress), bytes: from.memory.count * 4)
      }
    }
  }
}
