/// A binary heap: the least element is taken first.
struct PriorityQueue<Element: Comparable> {
  private var elements: [Element] = []

  var isEmpty: Bool { elements.isEmpty }

  mutating func insert(_ element: Element) {
    elements.append(element)
    var index = elements.count - 1
    while index > 0 {
      let parent = (index - 1) / 2
      guard elements[index] < elements[parent] else { return }
      elements.swapAt(index, parent)
      index = parent
    }
  }

  /// Takes the least element out.
  mutating func removeFirst() -> Element? {
    guard let last = elements.popLast() else { return nil }
    guard let first = elements.first else { return last }
    elements[0] = last
    var index = 0
    while true {
      var least = index
      let child = 2 * index + 1
      if child < elements.count, elements[child] < elements[least] { least = child }
      if child + 1 < elements.count, elements[child + 1] < elements[least] { least = child + 1 }
      guard least != index else { return first }
      elements.swapAt(index, least)
      index = least
    }
  }

  mutating func removeAll() { elements.removeAll(keepingCapacity: true) }
}
