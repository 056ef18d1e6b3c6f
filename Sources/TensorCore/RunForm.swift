/// A part of an axis, in elements: of each of `rows` runs of `whole` elements, `part` elements from `start` on.
package struct RunForm: Hashable, Sendable {
  package var rows: Int
  package var whole: Int
  package var part: Int
  package var start: Int

  package init(rows: Int, whole: Int, part: Int, start: Int) {
    self.rows = rows
    self.whole = whole
    self.part = part
    self.start = start
  }
}
