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
/// `AllreduceSum` gives the whole sum to every rank; `OrderedSum` gives each rank that of its slice, in the
/// canonical tree's order. A sum through shared memory windows would be a third.
package protocol GradientSum: AnyObject {
  /// The part of the parameter vector that this rank updates.
  var owned: Range<Int> { get }
  /// The blocks of that part.
  var ownedBlocks: Range<Int> { get }
  /// Every rank's part, for gathering state. Equal entries: everyone has all of it.
  var slices: Slices { get }

  /// Computes this rank's shards of a batch and adds them to everybody's. If the riders' faults are not
  /// zero the gradients must not be used: they may be unfinished.
  ///
  /// - Parameter phase: told whenever a phase begins; the call begins in `compute`.
  func sum(
    batch: Int, phase: (StepPhase) -> Void, compute: ShardComputation
  ) throws -> SummedGradients

  /// After every owner has updated its part of `parameters`: gives all of them to everybody.
  func share(parameters: Arena<Float>) throws(MessagePassingError)

  /// After every owner has filled in its blocks: gives all of them to everybody.
  func share(blockSums: Arena<Double>) throws(MessagePassingError)
}

/// What a step's gradients add up to.
package struct SummedGradients {
  /// Those of the owned part; the first belongs to its first element.
  package let gradients: UnsafeMutablePointer<Float>
  /// Over all shards.
  package let riders: UnsafePointer<Float>

  package func rider(_ rider: Rider) -> Float { riders[rider.rawValue] }
}
