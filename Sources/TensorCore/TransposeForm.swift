/// Two axes that change places: x [outer, first, middle, second, inner] → [outer, second, middle, first, inner].
package struct TransposeForm: Hashable, Sendable {
  package var outer: Int
  package var first: Int
  package var middle: Int
  package var second: Int
  package var inner: Int

  package init(outer: Int, first: Int, middle: Int, second: Int, inner: Int) {
    self.outer = outer
    self.first = first
    self.middle = middle
    self.second = second
    self.inner = inner
  }

  /// What brings the axes back.
  package var inverse: TransposeForm {
    TransposeForm(outer: outer, first: second, middle: middle, second: first, inner: inner)
  }
}
