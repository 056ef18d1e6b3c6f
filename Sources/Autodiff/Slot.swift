/// Where a tensor lies: an arena and a position in it. Its base address is known only when a plan runs.
package struct Slot: Hashable, Sendable {
  package enum Arena: UInt8, Sendable {
    case parameters
    /// A gradient vector; several may take turns, one a shard.
    case gradients
    /// The riders: behind the gradients in training, a small vector of their own otherwise.
    case riders
    case inputs
    case targets
    case weights
    case activations
    /// What a plan without a backward pass was asked for.
    case results
  }

  package var arena: Arena
  /// In elements.
  package var offset: Int

  package init(_ arena: Arena, _ offset: Int) {
    self.arena = arena
    self.offset = offset
  }
}
