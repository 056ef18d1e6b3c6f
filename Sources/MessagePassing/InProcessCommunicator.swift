import Foundation
import TensorCore

/// A rank of an `InProcessWorld`, or the only rank of a run that has no launcher.
///
/// The only rank has nobody to talk to: its calls return at once, and the MPI library is never begun.
/// Among several ranks each call meets the same call of all others (`Meeting`). Sums are added in the
/// order of the ranks.
public final class InProcessCommunicator: Communicator {
  public let rank: Int
  public let size: Int
  public let machine: Machine
  public let machines: [Range<Int>]
  public var patience = Waiting.defaultPatience
  /// Where the other ranks are met; nil if there are none.
  private let meeting: Meeting?
  private var started: [StartedSum] = []
  private var messages = StartedMessages()
  /// How often the ranks were split.
  private var divisions = 0
  /// This rank and the number of ranks in the world of all.
  private let placeInJob: (rank: Int, size: Int)

  /// The only rank of its world.
  public init() {
    rank = 0
    size = 1
    machine = Machine(name: hostName(), ranks: [0])
    machines = [0..<1]
    meeting = nil
    placeInJob = (0, 1)
  }

  init(
    rank: Int, size: Int, machine: Machine, machines: [Range<Int>], meeting: Meeting?,
    placeInJob: (rank: Int, size: Int)? = nil
  ) {
    self.placeInJob = placeInJob ?? (rank, size)
    self.rank = rank
    self.size = size
    self.machine = machine
    self.machines = machines
    self.meeting = size == 1 ? nil : meeting
  }

  public func barrier() throws(MessagePassingError) {
    guard let meeting else { return }
    try meeting.meet(rank, Arrival(.barrier))
  }

  public func broadcast(
    _ memory: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(MessagePassingError) {
    checkRoot(root, size: size)
    guard let meeting else { return }
    try meeting.meet(rank, Arrival(.broadcast(root: root, bytes: memory.count), memory: memory.baseAddress))
  }

  public func allreduce<Scalar: MessageScalar>(
    _ memory: UnsafeMutableBufferPointer<Scalar>, _ reduction: Reduction
  ) throws(MessagePassingError) {
    guard let meeting else { return }
    let call = Call.allreduce(ScalarKind(Scalar.self), count: memory.count, reduction)
    try meeting.meet(rank, Arrival(call, memory: UnsafeMutableRawPointer(memory.baseAddress)))
  }

  public func startAllreduce(_ memory: UnsafeMutableBufferPointer<Float>) throws(MessagePassingError) {
    guard let meeting else { return }
    try meeting.throwIfFailed(rank, "startAllreduce")
    for (index, other) in started.enumerated() where other.overlaps(memory) {
      throw MessagePassingError(
        at: "startAllreduce on rank \(rank)", expected: "memory that no other started sum uses",
        found: "memory that overlaps with that of sum \(index)",
        remedy: "Call finishAllreduces before its memory is used again.")
    }
    started.append(StartedSum(of: memory))
  }

  public func progress() throws(MessagePassingError) { try meeting?.throwIfFailed(rank, "progress") }

  public func finishAllreduces() throws(MessagePassingError) {
    guard let meeting else { return }
    for (index, sum) in started.enumerated() {
      guard let element = sum.firstTouchedElement else { continue }
      throw MessagePassingError(
        at: "finishAllreduces on rank \(rank)",
        expected: "memory that nobody has touched since startAllreduce",
        found: "another value in element \(element) of sum \(index)",
        remedy: "Write to this memory only before startAllreduce or after finishAllreduces.")
    }
    defer { started.removeAll(keepingCapacity: true) }
    try meeting.meet(rank, Arrival(.finishAllreduces(counts: started.map(\.memory.count)), started: started))
  }

  public func allgather<Scalar: MessageScalar>(
    _ memory: UnsafeMutableBufferPointer<Scalar>, slices: [Range<Int>]
  ) throws(MessagePassingError) {
    checkSlices(slices, count: memory.count, size: size)
    guard let meeting else { return }
    let call = Call.allgather(ScalarKind(Scalar.self), slices: slices)
    try meeting.meet(rank, Arrival(call, memory: UnsafeMutableRawPointer(memory.baseAddress)))
  }

  public func exchange(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError) {
    checkPeers(sends, rank: rank, size: size)
    checkPeers(receives, rank: rank, size: size)
    guard let meeting else { return }
    try checkReceivesAreApart(sends: sends, receives: receives)
    try meeting.meet(rank, Arrival(.exchange, sends: sends, receives: receives))
  }

  public func startExchange(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError) {
    checkPeers(sends, rank: rank, size: size)
    checkPeers(receives, rank: rank, size: size)
    guard let meeting else { return }
    try meeting.throwIfFailed(rank, "startExchange")
    let sends = messages.sends + sends
    let receives = messages.receives + receives
    try sends.withUnsafeBufferPointer { sends throws(MessagePassingError) in
      try receives.withUnsafeBufferPointer { receives throws(MessagePassingError) in
        try checkReceivesAreApart(sends: sends, receives: receives)
      }
    }
    messages.start(sends: sends, receives: receives)
  }

  public func finishExchanges() throws(MessagePassingError) {
    guard let meeting else { return }
    if let what = messages.whatWasTouched {
      throw MessagePassingError(
        at: "finishExchanges on rank \(rank)",
        expected: "memory that nobody has touched since startExchange", found: what,
        remedy: "Write to this memory only before startExchange or after finishExchanges.")
    }
    let finished = messages
    messages = StartedMessages()
    try finished.sends.withUnsafeBufferPointer { sends throws(MessagePassingError) in
      try finished.receives.withUnsafeBufferPointer { receives throws(MessagePassingError) in
        _ = try meeting.meet(rank, Arrival(.finishExchanges, sends: sends, receives: receives))
      }
    }
  }

  public func allgather(bytes: [UInt8]) throws(MessagePassingError) -> [[UInt8]] {
    guard let meeting else { return [bytes] }
    return try meeting.meet(rank, Arrival(.allgatherBytes, bytes: bytes))
  }

  /// Each rank's part is ordinary memory; all ranks of a machine hold all of its parts.
  public func makeSharedWindow(bytes: Int) throws(MessagePassingError) -> SharedWindowOffer {
    let room = SharedWindow.room(for: bytes)
    let mine = Arena<Int64>(count: room / MemoryLayout<Int64>.stride)
    let addresses = try shareOnMachine(mine)
    let position = machine.ranks.firstIndex(of: rank) ?? 0
    return .window(
      SharedWindow(
        memory: addresses.map { UnsafeMutableRawPointer($0.base) }, position: position, machine: machine,
        patience: { self.patience },
        poll: { other, isMissing throws(MessagePassingError) in
          try self.meeting?.throwIfGone(other, self.rank, "a meeting on a machine", isMissing: isMissing)
        },
        keeper: addresses as AnyObject))
  }

  /// The arenas of all ranks of this machine.
  private func shareOnMachine(_ mine: Arena<Int64>) throws(MessagePassingError) -> [Arena<Int64>] {
    guard meeting != nil else { return [mine] }
    // Each rank of the machine takes over one of these references.
    let reference = Unmanaged.passUnretained(mine)
    for _ in machine.ranks { _ = reference.retain() }
    let address = UInt64(UInt(bitPattern: reference.toOpaque()))
    let all = try allgather(bytes: withUnsafeBytes(of: address) { Array($0) })
    return machine.ranks.compactMap { rank in
      let address = all[rank].withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
      return UnsafeRawPointer(bitPattern: UInt(address)).map {
        Unmanaged<Arena<Int64>>.fromOpaque($0).takeRetainedValue()
      }
    }
  }

  public func split(color: Int) throws(MessagePassingError) -> any Communicator {
    checkColor(color)
    guard let meeting else {
      let part = InProcessCommunicator(
        rank: 0, size: 1, machine: machine, machines: machines, meeting: nil, placeInJob: placeInJob)
      part.patience = patience
      return part
    }
    let all = try meeting.meet(rank, Arrival(.split, bytes: withUnsafeBytes(of: color) { Array($0) }))
    let colors = all.map { bytes in bytes.withUnsafeBytes { $0.loadUnaligned(as: Int.self) } }
    let ranks = (0..<size).filter { colors[$0] == color }
    divisions += 1
    // Ranks are numbered anew from 0, machine by machine as before.
    let machines = machines.map { machine in ranks.indices.filter { machine.contains(ranks[$0]) } }
    let mine = machines.first { $0.contains { ranks[$0] == rank } } ?? []
    let part = InProcessCommunicator(
      rank: ranks.firstIndex(of: rank) ?? 0, size: ranks.count,
      machine: Machine(name: machine.name, ranks: mine, ranksOfJob: machine.ranksOfJob),
      machines: machines.compactMap { machine in machine.first.map { $0..<$0 + machine.count } },
      meeting: meeting.part(ranks, ofDivision: divisions), placeInJob: placeInJob)
    part.patience = patience
    return part
  }

  public func abort(_ message: String, exitCode: Int32) -> Never {
    writeLastWords(message, rank: placeInJob.rank, size: placeInJob.size, machine: machine.name)
    _exit(exitCode)
  }

  /// While messages are under way, nothing may be received into memory that is also sent or received.
  private func checkReceivesAreApart(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError) {
    for (index, message) in receives.enumerated() {
      let others = [sends[...], receives[..<index]].joined()
      guard let other = others.first(where: { overlap($0.memory, message.memory) }) else { continue }
      throw MessagePassingError(
        at: "exchange on rank \(rank)", expected: "memory of its own for each receive",
        found: "the receive from rank \(message.peer) overlapping with a message of rank \(other.peer)",
        remedy: "Receive into memory that no other message of the exchange uses.")
    }
  }
}

func overlap(_ one: UnsafeMutableBufferPointer<Float>, _ other: UnsafeMutableBufferPointer<Float>) -> Bool {
  guard let a = one.baseAddress, let b = other.baseAddress, !one.isEmpty, !other.isEmpty else { return false }
  return a < b + other.count && b < a + one.count
}
