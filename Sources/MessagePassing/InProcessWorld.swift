import Foundation

/// Ranks as threads of one process: the world in which the logic of several ranks is tested.
///
/// It behaves as MPI does where MPI is sure of something, and worse where it is not: a started sum arrives
/// only in `finishAllreduces`, and until then its memory holds no numbers. Calls that do not fit together
/// (another collective, another length) are errors on all ranks where MPI would hang or corrupt memory.
public enum InProcessWorld {
  /// What ended a world: the first rank that failed, and its error.
  public struct Failure: Error, CustomStringConvertible {
    public let rank: Int
    public let error: any Error

    public var description: String { "rank \(rank): \(error)" }
  }

  /// Runs `body` as each of `ranks` ranks, on a thread each, and returns when all have ended.
  ///
  /// When a rank fails, the others are released from what they wait for: their calls throw. With
  /// `ranksPerMachine` the world pretends to be several machines, dealt in that number.
  ///
  /// Throws: the `Failure` of the rank that failed first.
  public static func run(
    ranks: Int, ranksPerMachine: Int? = nil,
    body: @escaping @Sendable (InProcessCommunicator) throws -> Void
  ) throws {
    precondition(ranks > 0, "a world has at least one rank, not \(ranks)")
    precondition((ranksPerMachine ?? 1) > 0, "a machine has at least one rank")
    let meeting = Meeting(size: ranks)
    let perMachine = ranksPerMachine ?? ranks
    let machines = stride(from: 0, to: ranks, by: perMachine).map { $0..<min($0 + perMachine, ranks) }
    let threads = try (0..<ranks).map { rank in
      let name = ranksPerMachine == nil ? hostName() : "machine-\(rank / perMachine)"
      let machine = Machine(name: name, ranks: Array(machines[rank / perMachine]))
      return try RankThread {
        do {
          try body(
            InProcessCommunicator(
              rank: rank, size: ranks, machine: machine, machines: machines, meeting: meeting))
          meeting.depart(rank)
        } catch {
          meeting.fail(rank, error)
        }
      }
    }
    for thread in threads { thread.join() }
    if let failure = meeting.firstFailure { throw failure }
  }
}

/// A thread that can be joined, with a stack as large as a main thread's.
private struct RankThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private static let stackBytes = 8 << 20
  private var thread = pthread_t()

  init(_ run: @escaping @Sendable () -> Void) throws(MessagePassingError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, Self.stackBytes)
    let body = Unmanaged.passRetained(Body(run))
    let code = pthread_create(
      &thread, &attributes,
      { raw in
        guard let raw else { return nil }
        Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    if code != 0 {
      body.release()
      throw MessagePassingError(
        at: "a world of threads", expected: "one more thread", found: String(cString: strerror(code)),
        remedy: "Use fewer ranks.")
    }
  }

  func join() { pthread_join(thread, nil) }
}
