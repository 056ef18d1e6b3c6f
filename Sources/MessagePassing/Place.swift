/// Where a rank is in its training, as numbers that fit into one line of memory.
package struct Place: Equatable, Sendable {
  /// What the numbers are, in the order of their memory.
  package enum Field: Int, CaseIterable, Sendable {
    /// The optimizer step under way, counted from 1.
    case step
    /// What the rank does there, as the loop numbers it from 1; 0 before it begins and after it has left.
    case phase
    /// The samples of the pass under way, by which its plan is found.
    case samples
    /// The instruction of that plan; negative between passes.
    case instruction
    /// How often anything but the instruction has changed.
    case moves
    /// How often the rank's main thread has looked for others while it waited for them.
    case looks
    /// How often the rank's watching thread has come round: it stands still where the process is stopped.
    case pulse
    /// Bytes that the process has read and written in phases that may be long because of files.
    case transferred
  }

  package var step = 0
  package var phase = Self.absent
  package var samples = 0
  package var instruction = -1
  package var moves = 0
  package var looks = 0
  package var pulse = 0
  package var transferred = 0

  /// The phase of a rank that has not begun or has left.
  package static let absent = 0

  package init() {}

  /// Whether the rank is in its training.
  package var isPresent: Bool { phase > 0 }

  package subscript(_ field: Field) -> Int {
    get {
      switch field {
      case .step: step
      case .phase: phase
      case .samples: samples
      case .instruction: instruction
      case .moves: moves
      case .looks: looks
      case .pulse: pulse
      case .transferred: transferred
      }
    }
    set {
      switch field {
      case .step: step = newValue
      case .phase: phase = newValue
      case .samples: samples = newValue
      case .instruction: instruction = newValue
      case .moves: moves = newValue
      case .looks: looks = newValue
      case .pulse: pulse = newValue
      case .transferred: transferred = newValue
      }
    }
  }
}
