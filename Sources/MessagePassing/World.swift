import Foundation

/// The ranks that a run consists of: joined once at the start, left once at the end.
///
///     let world = try World.join()
///     …
///     try world.leave()
///
/// Under mpirun or `srun --mpi=pmix` these are the processes that the launcher started. Without a launcher
/// it is this process alone, and the MPI library is not begun.
public final class World {
  /// The ranks, for calls among them.
  public let communicator: any Communicator
  /// Whether the ranks are processes over MPI, if only one.
  public let isDistributed: Bool

  /// This rank, in 0..<size.
  public var rank: Int { communicator.rank }
  /// The number of ranks.
  public var size: Int { communicator.size }

  /// A world around a communicator that is there already: a rank of an `InProcessWorld`, a part of another world.
  public init(_ communicator: any Communicator) {
    self.communicator = communicator
    isDistributed = communicator is MPICommunicator
  }

  /// Joins the world that the environment speaks of. All MPI calls come from the thread that calls this.
  ///
  /// Throws when the MPI library cannot begin, or when this is one of several tasks that were started
  /// without MPI.
  public static func join() throws(MessagePassingError) -> World {
    switch try Launch.decide(from: ProcessInfo.processInfo.environment) {
    case .mpi(let expectedSize): World(try MPICommunicator(expectedSize: expectedSize))
    case .single: World(InProcessCommunicator())
    }
  }

  /// Leaves the world, as all its ranks must; a rank that ends without leaving ends the others. A world that is a part
  /// of another leaves that one standing.
  public func leave() throws(MessagePassingError) {
    if let communicator = communicator as? MPICommunicator { try communicator.finalize() }
  }
}
