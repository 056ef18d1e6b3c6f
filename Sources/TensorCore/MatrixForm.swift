import CKernels

/// The extents of a matrix product, and which of its operands are stored transposed.
package struct MatrixForm: Hashable, Sendable {
  /// Of the result.
  package var rows: Int
  /// Of the result.
  package var columns: Int
  /// The extent that is summed over.
  package var depth: Int
  /// a is stored as [depth, rows].
  package var transposeA: Bool
  /// b is stored as [columns, depth].
  package var transposeB: Bool

  package init(rows: Int, columns: Int, depth: Int, transposeA: Bool = false, transposeB: Bool = false) {
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.transposeA = transposeA
    self.transposeB = transposeB
  }

  /// Whose loops make a product.
  package enum Kernel: Sendable {
    case oneDNN
    /// Ours, with the left side as it lies, the right side transposed while it is packed, bias and activation on the
    /// way; of few rows the other way round.
    case byRows
    /// Ours, for a small depth: the left side packed, the right side as it lies.
    case shallow
  }

  /// Whose loops make this product, on a processor with AVX-512 and one thread; otherwise all are oneDNN's.
  ///
  /// A rule of the form alone, never of a race at run time, so that all ranks decide alike. Measured with oneDNN 2.6 on
  /// one core with a peak of 173 GFLOP/s, operands from the third-level cache:
  /// - forward, a · bᵀ with bias: 150 to 168 against 135 to 165 without the pass that adds the bias, which takes another
  ///   5 to 15 %;
  /// - a small batch's weight gradient, aᵀ · b: within 5 % of each other where all is in cache; ours brings the
  ///   result's memory nearer while it computes;
  /// - other gradients: 138 to 165 against 155 to 175.
  package var kernel: Kernel {
    switch (transposeA, transposeB) {
    case (false, true): .byRows
    case (true, false) where depth <= 64: .shallow
    default: .oneDNN
    }
  }

  /// Whether there is enough to compute that whose loops do it matters; the rest is oneDNN's.
  var isLarge: Bool { rows * columns * depth >= 8192 }

  /// Elements of scratch memory that the product needs while it runs.
  package var scratchCount: Int {
    switch kernel {
    case .oneDNN: 0
    case .byRows: lockstep_product_scratch(rows, columns, depth)
    case .shallow: lockstep_shallow_product_scratch(rows, depth)
    }
  }
}
