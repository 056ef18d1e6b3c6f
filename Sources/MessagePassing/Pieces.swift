/// A length cut into pieces that a C `int` can count. There is always at least one piece, if an empty one:
/// an empty message is a message, too.
package struct Pieces: Sequence, IteratorProtocol {
  private let length: Int
  private let largest: Int
  private var start = 0
  private var isFirst = true

  package init(of length: Int, largest: Int) {
    self.length = length
    self.largest = largest
  }

  package mutating func next() -> (start: Int, count: Int32)? {
    if start == length && !isFirst { return nil }
    isFirst = false
    let count = Swift.min(largest, length - start)
    defer { start += count }
    return (start, Int32(count))
  }
}
