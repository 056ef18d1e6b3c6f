import MessagePassing
import TensorCore

/// Where an `OwnerSum` keeps parameters and gradient vectors: in memory that the ranks of a group share, or, for a rank
/// that is a group by itself, in its own.
struct OwnerMemory {
  let groups: RankGroups
  let parameters: Arena<Float>
  /// The gradient vectors of each rank of the group, in order: where they begin, one behind the other.
  let vectors: [UnsafeMutablePointer<Float>]
  /// Where the group meets; nil for a rank by itself.
  let window: SharedWindow?
  /// Why memory that was to be shared is not.
  let note: String?

  private let own: Arena<Float>

  /// - Parameters:
  ///   - vectorCount: gradient vectors that this rank needs.
  ///   - sharing: whether the ranks of a machine are to share memory.
  init(
    _ communicator: any Communicator, layout: VectorLayout, vectorCount: Int, sharing: Bool
  ) throws(MessagePassingError) {
    let length = vectorCount * layout.gradientCount
    let isShared = sharing && communicator.machines.contains { $0.count > 1 }
    var (window, note): (SharedWindow?, String?)
    if isShared {
      // The first rank's part also has the parameters, at its beginning.
      let isFirst = communicator.machine.ranks.first == communicator.rank
      let floats = length + (isFirst ? layout.vectorCount : 0)
      switch try communicator.makeSharedWindow(bytes: floats * MemoryLayout<Float>.stride) {
      case .window(let made): window = made
      case .refused(let reason): note = reason
      }
    }
    self.note = note
    self.window = window
    guard let window else {
      groups = .apart(communicator.size)
      parameters = Arena(count: layout.vectorCount)
      own = Arena(count: length)
      vectors = [own.base]
      return
    }
    groups = RankGroups(communicator.machines)
    parameters = Arena(at: window.parts[0], count: layout.vectorCount, keptBy: window)
    vectors = window.parts.enumerated().map { place, part in
      let start = place == 0 ? layout.vectorCount * MemoryLayout<Float>.stride : 0
      return (part + start).assumingMemoryBound(to: Float.self)
    }
    own = Arena(count: 0)
  }
}
