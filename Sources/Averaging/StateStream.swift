import MessagePassing
import TensorCore

/// One of the vectors that a run's state is made of.
package struct StateVector {
  /// What it holds of every parameter, as `momentum`.
  package let name: String
  /// How many times the parameters it is long: workers that train by themselves have one each, one behind the other.
  package let workers: Int
  /// What each rank owns of it; one: everybody has all of it.
  package let slices: [Range<Int>]
  /// This rank's slice.
  package let own: Arena<Float>

  package init(name: String, workers: Int = 1, slices: [Range<Int>], own: Arena<Float>) {
    (self.name, self.workers, self.slices, self.own) = (name, workers, slices, own)
  }
}

/// Brings vectors whose slices the ranks own to rank 0, as they are at the end of one step, while training goes on.
///
/// Rank 0 copies its own slices. The others' travel in pieces, a share of them at the end of each following step, all in
/// `steps` of them; until then they lie in copies, too. Where all of them together are no more than one piece, they
/// travel at once and nothing but rank 0's is copied. On rank 0 they arrive in a ring of bounded size, from which another
/// thread takes them: the main thread waits where that one is slow.
///
/// All ranks make one, and call `begin`, `advance` and `finish` after the same steps. All memory is allocated by `init`.
package final class StateStream: @unchecked Sendable {
  /// What another thread takes on rank 0: a part of one of the vectors.
  package struct Piece {
    package let vector: Int
    /// Its place in the whole vector.
    package let range: Range<Int>
    fileprivate let owner: Int
    /// Of those that travel, how many come before.
    fileprivate let position: Int
    /// Of those that travel in this rank's messages, how many come before.
    fileprivate var ownPosition = 0

    fileprivate var travels: Bool { owner > 0 }
  }

  /// Vector after vector, each from its beginning to its end.
  package let pieces: [Piece]
  /// Elements of memory that this rank needs for it.
  package let copiedCount: Int

  /// Elements of a piece, at most: 16 MiB.
  package static let pieceLength = (16 << 20) / MemoryLayout<Float>.stride
  /// Elements that have room on rank 0 while they wait to be used.
  package static let roomLength = 4 * pieceLength
  /// The ends of steps at which pieces travel, about.
  private static let steps = 8

  private let communicator: any Communicator
  private let vectors: [StateVector]
  private let travelling: [Piece]
  /// Elements that travel at the end of a step, at least, as long as there are any.
  private let share: Int
  /// This rank's slices as they were.
  private let copies: [Arena<Float>]
  private let ring: Arena<Float>
  private let places: Int
  private let placeLength: Int
  /// This rank's messages, in the order of the pieces.
  private let messages: [Message]
  private let gate: PieceGate
  private var next = 0

  /// - Parameters:
  ///   - vectors: what there is, with this rank's slices of it.
  package init(
    _ communicator: any Communicator, vectors: [StateVector], pieceLength: Int = pieceLength,
    roomLength: Int = roomLength
  ) {
    precondition(pieceLength > 0)
    self.communicator = communicator
    self.vectors = vectors
    let isReceiver = communicator.rank == 0
    let size = Size(vectors.map(\.slices), pieceLength, roomLength)
    (share, places, placeLength) = (size.share, size.places, size.placeLength)
    let copies =
      isReceiver || !size.travelsAtOnce
      ? vectors.map { Arena<Float>(count: isReceiver || $0.slices.count > 1 ? $0.own.count : 0) } : []
    self.copies = copies
    ring = Arena(count: isReceiver ? size.places * size.placeLength : 0)
    copiedCount = copies.reduce(0) { $0 + $1.count } + ring.count

    var (pieces, messages): ([Piece], [Message]) = ([], [])
    var travelling = 0
    for (vector, content) in vectors.enumerated() {
      for (owner, slice) in content.slices.enumerated() {
        for start in stride(from: slice.lowerBound, to: slice.upperBound, by: pieceLength) {
          var piece = Piece(
            vector: vector, range: start..<min(start + pieceLength, slice.upperBound), owner: owner,
            position: travelling)
          piece.ownPosition = messages.count
          pieces.append(piece)
          guard piece.travels else { continue }
          if isReceiver {
            let place = travelling % size.places * size.placeLength
            messages.append(
              Message(peer: owner, memory: ring.buffer(place..<place + piece.range.count)))
          } else if communicator.rank == owner {
            let local = start - slice.lowerBound..<piece.range.upperBound - slice.lowerBound
            let source = size.travelsAtOnce ? content.own : copies[vector]
            messages.append(Message(peer: 0, memory: source.buffer(local)))
          }
          travelling += 1
        }
      }
    }
    self.pieces = pieces
    self.travelling = pieces.filter(\.travels)
    self.messages = messages
    gate = PieceGate(places: size.places)
    next = travelling
  }

  /// Vectors without names that all lie alike.
  package convenience init(
    _ communicator: any Communicator, slices: Slices, vectors: [Arena<Float>],
    pieceLength: Int = pieceLength, roomLength: Int = roomLength
  ) {
    self.init(
      communicator, vectors: vectors.map { StateVector(name: "", slices: slices.elements, own: $0) },
      pieceLength: pieceLength, roomLength: roomLength)
  }

  /// Elements of memory that the first rank needs.
  package static func copiedCount(_ slices: Slices, vectorCount: Int) -> Int {
    let size = Size(
      [[Range<Int>]](repeating: slices.elements, count: vectorCount), pieceLength, roomLength)
    return vectorCount * slices.elements[0].count + size.places * size.placeLength
  }

  /// How large everything is, the same on all ranks.
  private struct Size {
    let share: Int
    let travelsAtOnce: Bool
    let places: Int
    let placeLength: Int

    init(_ slices: [[Range<Int>]], _ pieceLength: Int, _ roomLength: Int) {
      let others = slices.flatMap { $0.dropFirst().map(\.count).filter { $0 > 0 } }
      let total = others.reduce(0, +)
      let pieces = others.reduce(0) { $0 + ($1 + pieceLength - 1) / pieceLength }
      share = max(pieceLength, (total + StateStream.steps - 1) / StateStream.steps)
      travelsAtOnce = total <= pieceLength
      placeLength = min(pieceLength, others.max() ?? 0)
      places = pieces == 0 ? 0 : max(1, min(pieces, roomLength / placeLength))
    }
  }

  // MARK: - The main thread, on all ranks

  /// Whether everything that travels has arrived.
  package var isComplete: Bool { next == travelling.count }

  /// Takes the vectors as they are now, at a step's end; what was under way must be complete and used. Then, still at
  /// this step's end, the thread that uses the pieces is to be started, and `advance` called.
  package func begin() {
    precondition(isComplete)
    for (copy, vector) in zip(copies, vectors) { copy.base.update(from: vector.own.base, count: copy.count) }
    next = 0
    gate.reset()
  }

  /// At the end of each step, that of `begin` the first: brings the next pieces to rank 0.
  package func advance() throws(MessagePassingError) { try move(atLeast: share) }

  /// Brings all the rest.
  package func finish() throws(MessagePassingError) { try move(atLeast: .max) }

  private func move(atLeast share: Int) throws(MessagePassingError) {
    var moved = 0
    while next < travelling.count, moved < share {
      let first = next
      while next < travelling.count, next - first < places, moved < share {
        moved += travelling[next].range.count
        next += 1
      }
      try exchange(first..<next)
    }
  }

  private func exchange(_ range: Range<Int>) throws(MessagePassingError) {
    let isReceiver = communicator.rank == 0
    let end = range.upperBound < travelling.count ? travelling[range.upperBound].ownPosition : messages.count
    let own = travelling[range.lowerBound].ownPosition..<end
    if isReceiver { gate.waitForRoom(upTo: range.upperBound) }
    try messages.withUnsafeBufferPointer { (all) throws(MessagePassingError) in
      let mine = UnsafeBufferPointer(rebasing: all[own])
      let none = UnsafeBufferPointer<Message>(start: nil, count: 0)
      try communicator.exchange(sends: isReceiver ? none : mine, receives: isReceiver ? mine : none)
    }
    if isReceiver { gate.arrive(upTo: range.upperBound) }
  }

  // MARK: - The thread that uses the pieces, on rank 0

  /// Calls `body` with every piece in order, each as soon as it is there. What `body` throws ends it, and nobody waits
  /// for it any more.
  ///
  /// - Returns: false if the main thread gave up before all pieces had come.
  package func forEachPiece<Failure>(
    _ body: (Piece, UnsafeBufferPointer<Float>) throws(Failure) -> Void
  ) throws(Failure) -> Bool {
    for piece in pieces {
      guard !piece.travels || gate.waitForPieces(upTo: piece.position + 1) else { return false }
      do { try body(piece, memory(of: piece)) } catch {
        abandon()
        throw error
      }
      if piece.travels { gate.use(upTo: piece.position + 1) }
    }
    return true
  }

  private func memory(of piece: Piece) -> UnsafeBufferPointer<Float> {
    guard piece.travels else {
      let start = vectors[piece.vector].slices[0].lowerBound
      return UnsafeBufferPointer(
        copies[piece.vector].buffer(piece.range.lowerBound - start..<piece.range.upperBound - start))
    }
    let place = piece.position % places * placeLength
    return UnsafeBufferPointer(ring.buffer(place..<place + piece.range.count))
  }

  /// From either side: what is under way will not be used, or will not come.
  package func abandon() { gate.abandon() }
}
