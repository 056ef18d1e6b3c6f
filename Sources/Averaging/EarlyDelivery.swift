import MessagePassing
import TensorCore

/// Sends slices to their owners on other machines while the backward pass of the rank's last shard still runs, for a
/// rank that is alone on its machine. What is added is the same, in the same order. The riders come at the end, and with
/// them what all need to know before anything is updated; what was sent after a fault is then thrown away.
package final class EarlyDelivery: CompletionObserver {
  private let communicator: any Communicator
  private let layout: VectorLayout
  private let vectors: UnsafeMutablePointer<Float>
  private let wire: WireFormat
  private var round: OwnerRound?
  /// How many of the round's pieces are on their way.
  private var started = 0
  /// So many elements are rounded as they travel, and the additions behind the last computation are done for them.
  private(set) var added = 0
  /// How many of the round's `sends` are on their way.
  private(set) var sent = 0

  /// What is sent stays as it is: the last shard's vector is only ever added to another. So all of it can be looked at
  /// for the culprit of a fault.
  package let handedOn = 0

  /// Whether it can hide time: whether the last slice becomes complete bit by bit. All wait for that slice; where most of
  /// it is one parameter's, which comes from the last instructions of the pass, what others send early only takes
  /// time from the pass.
  package static func pays(_ slices: Slices, _ layout: VectorLayout) -> Bool {
    guard let last = slices.elements.last(where: { !$0.isEmpty }) else { return false }
    let most = layout.entries.map { $0.range.clamped(to: last).count }.max() ?? 0
    return 2 * most <= last.count
  }

  /// - Parameter vectors: this rank's gradient vectors, one behind the other.
  init(
    _ communicator: any Communicator, layout: VectorLayout, vectors: UnsafeMutablePointer<Float>,
    wire: WireFormat
  ) {
    self.communicator = communicator
    self.layout = layout
    self.vectors = vectors
    self.wire = wire
  }

  /// Before a step's first shard.
  func begin(_ round: OwnerRound) {
    self.round = round
    (started, added, sent) = (0, 0, 0)
  }

  package func isComplete(prefix: Int) throws {
    guard let round else { return }
    while started < round.pieces.count, round.pieces[started].elements.upperBound <= prefix {
      let piece = round.pieces[started]
      add(upTo: piece.elements.upperBound, round.fold)
      round.pack(piece.messages)
      try round.sends[piece.messages].withUnsafeBufferPointer { sends in
        try communicator.startExchange(sends: sends, receives: .init(start: nil, count: 0))
      }
      started += 1
      sent = piece.messages.upperBound
    }
    try communicator.progress()
  }

  private func add(upTo end: Int, _ fold: LocalFold) {
    for (index, action) in fold.actions[fold.lastComputation...].enumerated() {
      switch action {
      case .compute(_, let buffer): wire.round(vector(buffer) + added, vector(buffer) + added, end - added)
      case .add(let buffer, let target):
        let wire = fold.lastComputation + index == fold.lastOfTree ? WireFormat.float32 : wire
        wire.add(vector(target) + added, vector(buffer) + added, vector(target) + added, end - added)
      }
    }
    added = end
  }

  private func vector(_ buffer: Int) -> UnsafeMutablePointer<Float> {
    vectors + buffer * layout.gradientCount
  }
}
