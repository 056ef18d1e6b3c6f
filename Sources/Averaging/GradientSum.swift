import MessagePassing
import TensorCore

/// Computes the gradient of one shard, with its riders, into the vector at `gradients`. While it runs it
/// tells `observer`, if there is one, what is complete, for sums that start early.
package typealias ShardComputation = (
  _ shard: Int, _ gradients: UnsafeMutablePointer<Float>, _ observer: (any CompletionObserver)?
) throws -> Void

/// What a rank's time in a step goes to.
package enum StepPhase { case compute, communication }

/// Learns while a backward pass runs how far the gradient vector is complete.
package protocol CompletionObserver: AnyObject {
  /// The first `prefix` elements are complete. Called after every instruction.
  func isComplete(prefix: Int) throws

  /// The first so many elements have been handed on: they are free of faults, and their memory may hold
  /// anything until the sum is done.
  var handedOn: Int { get }
}

/// How the gradients of all shards are added up over the ranks and how new parameters come back: the one
/// place where strategies differ.
///
/// `AllreduceSum` gives the whole sum to every rank; `OwnerSum` gives each rank that of its slice, in the
/// canonical tree's order, through shared memory or messages.
package protocol GradientSum: AnyObject {
  /// The part of the parameter vector that this rank updates.
  var owned: Range<Int> { get }
  /// The blocks of that part.
  var ownedBlocks: Range<Int> { get }
  /// Every rank's part, for gathering state. Equal entries: everyone has all of it.
  var slices: Slices { get }

  /// How numbers travel, and therefore what they are rounded to. The parameters must be as they travel when they are
  /// shared.
  var wire: WireFormat { get }

  /// All parameters and buffers: this rank's own, or those of all ranks of its machine.
  var parameters: Arena<Float> { get }
  /// Whether this rank writes what all ranks would write alike into `parameters`, as initial values. Among ranks that
  /// share them it is one.
  var writesForAll: Bool { get }

  /// Computes this rank's shards of a batch and adds the riders of everybody's. If their faults are not
  /// zero the gradients must not be used: they may be unfinished.
  ///
  /// - Parameter phase: told whenever a phase begins; the call begins in `compute`.
  /// - Returns: the riders' sums over all shards; they stay until `share()`.
  func sum(batch: Int, phase: (StepPhase) -> Void, compute: ShardComputation) throws -> SummedRiders

  /// After `sum`: the summed gradients of some elements of the owned part, at most `pieceLength` of them; they stay
  /// until the next call.
  ///
  /// - Parameter leavesRest: whether the caller makes the last addition, if there is one, which saves a pass.
  func gradients(of elements: Range<Int>, leavesRest: Bool) -> GradientTerms
  /// After `sum`, once: the summed gradients of the whole owned part; they stay until the next `sum`.
  func ownedGradients() -> UnsafeMutablePointer<Float>

  /// Before parameters change outside a step: returns when nobody reads them any more.
  func settle() throws(MessagePassingError)
  /// After every owner has updated its part of `parameters`: gives all of them to everybody.
  func share() throws(MessagePassingError)
  /// After every owner has filled in its blocks: gives all of them to everybody.
  func share(blockSums: Arena<Double>) throws(MessagePassingError)
}

extension GradientSum {
  /// Writes parameters that are the same everywhere, as initial values: once for all ranks that share them, so that
  /// nothing travels. All ranks call it.
  package func fill(_ write: (Arena<Float>) -> Void) throws(MessagePassingError) {
    if writesForAll { write(parameters) }
    try settle()
  }

  /// The elements that are summed and updated at a time: small enough for the nearest caches, so that a gradient
  /// is read once from memory between them.
  package static var pieceLength: Int { 4096 }
}

/// The sum of some gradients, up to an addition that may still be to be made.
package struct GradientTerms {
  package let sum: UnsafeMutablePointer<Float>
  /// What is to be added to `sum`, element by element; nil: nothing.
  package var rest: UnsafeMutablePointer<Float>?
}

/// What travelled behind a step's gradients, over all shards.
package struct SummedRiders {
  package let values: UnsafePointer<Float>

  package subscript(_ rider: Rider) -> Float { values[rider.rawValue] }
}
