import CKernels
import TensorCore

/// The norms that LARS and LAMB measure each parameter's step by. Squares are summed in blocks and the blocks
/// in their order, so that a norm does not depend on who owns what.
package struct ParameterNorms {
  /// The sums of the steps' squares, one a block, which the owners exchange.
  package var blockSums: Arena<Double> { steps.sums }

  private let steps: GradientNorm
  private let range: Range<Int>
  private let ownedBlocks: Range<Int>
  /// Each parameter's blocks.
  private let blocks: [Range<Int>]
  /// The norms of the parameters that lie in the range, in part at least; 0 for the others.
  private let weights: Arena<Double>

  package init(_ layout: VectorLayout, optimizer: Optimizer, range: Range<Int>) {
    let steps = GradientNorm(layout, optimizer: optimizer)
    let all = steps.blocks
    self.steps = steps
    self.range = range
    let first = all.firstIndex { $0.lowerBound >= range.lowerBound } ?? all.count
    ownedBlocks = first..<(all[first...].firstIndex { $0.lowerBound >= range.upperBound } ?? all.count)
    blocks = layout.entries.map { entry in
      let first = all.firstIndex { $0.lowerBound >= entry.offset } ?? all.count
      return first..<(all[first...].firstIndex { $0.lowerBound >= entry.range.upperBound } ?? all.count)
    }
    weights = Arena(count: layout.entries.count)
  }

  /// Measures the weights, of which every rank has all, and this owner's part of the steps.
  ///
  /// - Parameter steps: of the range; the first belongs to its first element.
  package func measure(_ parameters: UnsafePointer<Float>, steps: UnsafePointer<Float>, scale: Float) {
    for (parameter, blocks) in blocks.enumerated() {
      guard let first = blocks.first, let last = blocks.last else { continue }
      let reach = self.steps.blocks[first].lowerBound..<self.steps.blocks[last].upperBound
      guard reach.overlaps(range) else { continue }
      var total = 0.0
      for block in blocks {
        let elements = self.steps.blocks[block]
        total += lockstep_sum_of_squares(parameters + elements.lowerBound, 1, elements.count)
      }
      weights.base[parameter] = total.squareRoot()
    }
    self.steps.measure(ownedBlocks, gradients: steps, startingAt: range.lowerBound, scale: scale)
  }

  /// The norms of a parameter of the range and of its step, after the owners' exchange.
  package func norms(ofParameter parameter: Int) -> (weight: Double, step: Double) {
    (weights.base[parameter], steps.norm(of: blocks[parameter]))
  }
}
