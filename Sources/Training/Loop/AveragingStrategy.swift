import Averaging

/// How gradients travel between ranks.
public enum AveragingStrategy: Sendable, Equatable {
  /// The fastest that gives the same bits on any number of ranks: `shared`, where ranks share a machine.
  case auto
  /// Owners of slices, which read the partials of their machine's ranks in place, in shared memory; messages between
  /// machines, and where there is not enough of it. The same bits on any number of ranks.
  case shared
  /// Owners of slices over MPI messages alone: the same bits as `shared`.
  case ordered
  /// `MPI_Iallreduce` per bucket of at least so many bytes, overlapping the backward pass: bits repeat at
  /// the same number of ranks only.
  case allreduce(bucketBytes: Int = 1 << 20)
  /// Local steps with periodic averaging of the parameters: bits repeat with the same workers only.
  case periodic(LocalSteps = LocalSteps())
}
