import CKernels
import TensorCore

/// The norm of the whole gradient, in a form that does not depend on who owns which slice: squares are
/// summed within blocks that begin anew at each parameter, and the blocks in their order.
package struct GradientNorm {
  package let blocks: [Range<Int>]
  /// One sum a block; each rank fills those of its slice.
  package let sums: Arena<Double>

  package init(_ layout: VectorLayout) {
    blocks = layout.blocks
    sums = Arena(count: blocks.count)
  }

  /// Fills the sums of the blocks `owned`, from gradients that start at element `first`.
  package func measure(
    _ owned: Range<Int>, gradients: UnsafePointer<Float>, startingAt first: Int, scale: Float
  ) {
    for block in owned {
      sums.base[block] = lockstep_sum_of_squares(
        gradients + (blocks[block].lowerBound - first), scale, blocks[block].count)
    }
  }

  /// What gradients are multiplied with so that their norm is at most `limit`: min(1, limit/(norm + 10⁻⁶)).
  package func clipFactor(limit: Double) -> Float {
    var total = 0.0
    for block in blocks.indices { total += sums.base[block] }
    return Float(min(1, limit / (total.squareRoot() + 1e-6)))
  }
}
