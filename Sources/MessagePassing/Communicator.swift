import TensorCore

/// The ranks of one training run, as one of them sees them: what data-parallel code may ask for.
///
/// There are two worlds behind it: `MPICommunicator`, processes over Open MPI, and
/// `InProcessCommunicator`, ranks on threads of one process, in which the same logic is tested. All calls
/// but `abort`, `startExchange` and `progress` are collective: every rank makes them, in the same order. A
/// communicator belongs to one thread, for MPI the main thread.
///
/// Nothing here allocates per call but what MPI itself does, except where a call returns an array.
public protocol Communicator: AnyObject {
  /// This rank, in 0..<size.
  var rank: Int { get }
  /// The number of ranks.
  var size: Int { get }
  /// This rank among all of the job, by which a user knows it: `rank`, unless these are a part of the ranks.
  var rankInJob: Int { get }
  /// Where this rank runs, and which ranks run there too.
  var machine: Machine { get }
  /// The ranks of every machine, in order: those that share memory have neighbouring numbers.
  var machines: [Range<Int>] { get }
  /// Seconds that a rank waits for others before it gives up with an error.
  var patience: Double { get set }

  /// Returns when every rank has called it.
  func barrier() throws(MessagePassingError)

  /// Copies `memory` of rank `root` into `memory` of all others; all have the same size.
  func broadcast(_ memory: UnsafeMutableRawBufferPointer, from root: Int) throws(MessagePassingError)

  /// Replaces `memory` on every rank by the element-wise reduction over all ranks. The order of the
  /// additions is the library's, equal on all ranks and in repeats at the same number of ranks.
  func allreduce<Scalar: MessageScalar>(
    _ memory: UnsafeMutableBufferPointer<Scalar>, _ reduction: Reduction) throws(MessagePassingError)

  /// Starts a sum over all ranks, in place; `memory` must stay untouched until `finishAllreduces`.
  func startAllreduce(_ memory: UnsafeMutableBufferPointer<Float>) throws(MessagePassingError)

  /// Lets started sums and messages move on; cheap enough to call between instructions.
  func progress() throws(MessagePassingError)

  /// Returns when every started sum is complete.
  func finishAllreduces() throws(MessagePassingError)

  /// Every rank holds all of `memory` and has filled its own `slices[rank]`; afterwards every rank has
  /// every slice. The slices lie one behind the other; some may be empty.
  func allgather<Scalar: MessageScalar>(
    _ memory: UnsafeMutableBufferPointer<Scalar>, slices: [Range<Int>]) throws(MessagePassingError)

  /// Sends and receives all of the messages at once. The k-th message that a rank sends to another is the
  /// k-th that the other receives from it, and has the same length. No message is to oneself.
  func exchange(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError)

  /// Starts messages as those of `exchange`. Until `finishExchanges` what is sent must stay as it is, and what is
  /// received into untouched. Between two ranks the messages of all calls match in their order, however they are
  /// dealt to calls; those of `exchange` are apart from them.
  func startExchange(
    sends: UnsafeBufferPointer<Message>, receives: UnsafeBufferPointer<Message>
  ) throws(MessagePassingError)

  /// Returns when every started message has come, or has gone. All ranks call it.
  func finishExchanges() throws(MessagePassingError)

  /// Every rank's bytes, in the order of the ranks, on every rank. Lengths may differ.
  func allgather(bytes: [UInt8]) throws(MessagePassingError) -> [[UInt8]]

  /// Memory that the ranks of each machine share, so many bytes of this rank's own in it; ranks may differ in that.
  /// All ranks get a window or none does: shared memory is checked, and agreed on, before it is taken.
  func makeSharedWindow(bytes: Int) throws(MessagePassingError) -> SharedWindowOffer

  /// The ranks that pass the same `color` (at least 0), as a communicator of their own, in the order that they have here.
  /// Parts work side by side: messages of one never meet those of another, or of the whole. A part begins with this
  /// one's patience; `World(part).leave()` ends it, as its ranks must together, or the end of the whole does. Where a
  /// rank fails, the parts of all ranks end with the job.
  func split(color: Int) throws(MessagePassingError) -> any Communicator

  /// Ends all ranks within seconds, also those outside this part: this rank's message is shown once, and the job exits
  /// with `exitCode`.
  func abort(_ message: String, exitCode: Int32) -> Never
}

extension Communicator {
  /// The ranks of this rank's machine.
  package var ranksOfMachine: Range<Int> { machines.first { $0.contains(rank) } ?? rank..<rank + 1 }
}

/// One message of an exchange: floats that go to, or come from, another rank.
public struct Message {
  public let peer: Int
  public let memory: UnsafeMutableBufferPointer<Float>

  public init(peer: Int, memory: UnsafeMutableBufferPointer<Float>) {
    self.peer = peer
    self.memory = memory
  }
}

/// What an allreduce does with the values of the ranks.
public enum Reduction: Sendable { case sum, minimum, maximum }

/// A type that MPI has a name for.
public protocol MessageScalar: BitwiseCopyable, Comparable, AdditiveArithmetic {}
extension Float: MessageScalar {}
extension Double: MessageScalar {}
extension Int64: MessageScalar {}

/// The machine of a rank.
public struct Machine: Sendable, Equatable {
  /// Its host name.
  public let name: String
  /// The ranks that share its memory, ascending.
  public let ranks: [Int]
  /// How many ranks of the job run on it, those outside of this part of the ranks included.
  public let ranksOfJob: Int

  /// - Parameter ranksOfJob: nil: all that there are.
  public init(name: String, ranks: [Int], ranksOfJob: Int? = nil) {
    self.name = name
    self.ranks = ranks
    self.ranksOfJob = ranksOfJob ?? ranks.count
  }
}
