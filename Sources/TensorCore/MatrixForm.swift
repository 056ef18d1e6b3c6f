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
}
