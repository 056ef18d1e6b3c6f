/// How rows are normalized: each of `rows`, over its `columns` values.
package struct NormalizationForm: Hashable, Sendable {
  package var rows: Int
  package var columns: Int
  /// Added to the variance.
  package var epsilon: Double
  /// Layer normalization takes the row's mean off and has a bias (Ba et al. 2016); RMS normalization has
  /// neither (Zhang and Sennrich 2019).
  package var isCentered: Bool

  package init(rows: Int, columns: Int, epsilon: Double, isCentered: Bool) {
    self.rows = rows
    self.columns = columns
    self.epsilon = epsilon
    self.isCentered = isCentered
  }
}
