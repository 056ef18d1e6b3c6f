import CKernels
import TensorCore

/// The norm of the whole gradient, in a form that does not depend on who owns which slice: squares are
/// summed within blocks that begin anew at each parameter, and the blocks in their order.
package struct GradientNorm {
  package let blocks: [Range<Int>]
  /// One sum a block; each rank fills those of its slice.
  package let sums: Arena<Double>
  /// Whether a block's parameter is trained; one that is not has no part in the norm.
  private let isTrained: [Bool]

  /// - Parameter optimizer: says which parameters are frozen; nil: none are.
  package init(_ layout: VectorLayout, optimizer: Optimizer? = nil) {
    blocks = layout.blocks
    sums = Arena(count: blocks.count)
    let frozen = layout.entries.filter { optimizer?.settings(for: $0).isFrozen ?? false }
    isTrained = blocks.map { block in !frozen.contains { $0.range.contains(block.lowerBound) } }
  }

  /// Fills the sums of the blocks `owned`, from gradients that start at element `first`.
  package func measure(
    _ owned: Range<Int>, gradients: UnsafePointer<Float>, startingAt first: Int, scale: Float
  ) {
    for block in owned where isTrained[block] {
      sums.base[block] = lockstep_sum_of_squares(
        gradients + (blocks[block].lowerBound - first), scale, blocks[block].count)
    }
  }

  /// What gradients are multiplied with so that their norm is at most `limit`: min(1, limit/(norm + 10⁻⁶)).
  package func clipFactor(limit: Double) -> Float {
    Float(min(1, limit / (norm(of: blocks.indices) + 1e-6)))
  }

  /// The norm of some blocks.
  package func norm(of range: Range<Int>) -> Double {
    var total = 0.0
    for block in range { total += sums.base[block] }
    return total.squareRoot()
  }
}
