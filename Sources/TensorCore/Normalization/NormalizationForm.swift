/// How rows are normalized: each of `rows`, over its `columns` values.
package struct NormalizationForm: Hashable, Sendable {
  package var rows: Int
  package var columns: Int
  /// Added to the variance.
  package var epsilon: Double
  /// Layer normalization takes the row's mean off (Ba et al. 2016), RMS normalization does not (Zhang and
  /// Sennrich 2019).
  package var isCentered: Bool
  /// Whether there is a bias to add.
  package var hasBias: Bool
  /// Whether the input's gradient adds one that reaches the input on another way.
  package var addsGradient = false

  package init(rows: Int, columns: Int, epsilon: Double, isCentered: Bool, hasBias: Bool = false) {
    self.rows = rows
    self.columns = columns
    self.epsilon = epsilon
    self.isCentered = isCentered
    self.hasBias = hasBias
  }
}
