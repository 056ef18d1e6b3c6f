/// How partials are added up in the shape of the canonical tree, a piece at a time: a list of additions over the
/// partials and some places for results between them. Worked out once.
///
/// Sums that other ranks could have sent are rounded as they travel; the sum of all shards never travels.
struct TreeAddition {
  private enum Operand {
    case partial(Int)
    case place(Int)
  }

  private var additions: [(left: Operand, right: Operand, into: Int)] = []
  private var result = Operand.partial(0)
  /// The same additions among the partials alone, and the one that then holds the sum.
  private var additionsInPlace: [(from: Int, into: Int)] = []
  private(set) var holder = 0
  private let wire: WireFormat
  /// The number of the addition that makes the sum of all shards; −1 where none does.
  private let lastOfTree: Int
  /// Places for results that are needed at a time.
  private(set) var placeCount = 0

  /// - Parameters:
  ///   - root: the node to add up; it must have a value.
  ///   - nodes: those that the partials are the sums of.
  ///   - shards: of a step.
  init(_ root: Range<Int>, of nodes: [Range<Int>], shards: Int, wire: WireFormat) {
    var additions: [(left: Operand, right: Operand, into: Int)] = []
    var (free, count): ([Int], Int) = ([], 0)
    let result: Operand? = CanonicalTree.fold(
      root,
      leaf: { node in
        if let index = nodes.firstIndex(of: node) { return .value(.partial(index)) }
        // A node that nobody contributes to and that holds no partial is without samples.
        return nodes.contains { !$0.clamped(to: node).isEmpty } ? .split : .empty
      },
      add: { left, right in
        let place: Int
        switch (left, right) {
        case (.place(let mine), .place(let other)):
          free.append(other)
          place = mine
        case (.place(let mine), .partial), (.partial, .place(let mine)): place = mine
        case (.partial, .partial):
          if let reused = free.popLast() {
            place = reused
          } else {
            place = count
            count += 1
          }
        }
        additions.append((left, right, place))
        return .place(place)
      })
    self.additions = additions
    self.result = result ?? .partial(0)
    placeCount = count
    self.wire = wire
    let halves = CanonicalTree.split(root).map { [root.lowerBound..<$0, $0..<root.upperBound] } ?? []
    let meetsAtRoot =
      !nodes.contains(root) && halves.allSatisfy { half in nodes.contains { !$0.clamped(to: half).isEmpty } }
    lastOfTree = root == 0..<shards && meetsAtRoot ? additions.count - 1 : -1

    var holders = [Int](repeating: 0, count: count)
    func holder(_ operand: Operand) -> Int {
      switch operand {
      case .partial(let index): index
      case .place(let place): holders[place]
      }
    }
    for addition in additions {
      let into = holder(addition.left)
      additionsInPlace.append((holder(addition.right), into))
      holders[addition.into] = into
    }
    self.holder = holder(self.result)
  }

  /// Adds `count` elements up.
  ///
  /// - Parameters:
  ///   - partials: where each partial's elements begin, by its number.
  ///   - places: room for `placeCount` times `stride` elements.
  ///   - leavesRest: whether the last addition is left to the caller, where its sum is not to be rounded.
  ///   - exactly: whether nothing is rounded, as of riders.
  /// - Returns: where the sum lies, in a place, or, of a single partial, in itself; and what has still to be added to it.
  @inline(__always)
  func run(
    count: Int, places: UnsafeMutablePointer<Float>, stride: Int, leavesRest: Bool = false,
    exactly: Bool = false, partials: (Int) -> UnsafeMutablePointer<Float>
  ) -> GradientTerms {
    @inline(__always) func address(_ operand: Operand) -> UnsafeMutablePointer<Float> {
      switch operand {
      case .partial(let index): partials(index)
      case .place(let index): places + index * stride
      }
    }
    for (index, addition) in additions.enumerated() {
      let (left, right) = (address(addition.left), address(addition.right))
      let isExact = exactly || wire == .float32 || index == lastOfTree
      if leavesRest, isExact, index == additions.count - 1 { return GradientTerms(sum: left, rest: right) }
      (isExact ? WireFormat.float32 : .bfloat16).add(left, right, places + addition.into * stride, count)
    }
    return GradientTerms(sum: address(result))
  }

  /// The same within the partials' own memory, which loses what it had.
  func runInPlace(
    count: Int, partials: (Int) -> UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    for (index, addition) in additionsInPlace.enumerated() {
      let into = partials(addition.into)
      (index == lastOfTree ? .float32 : wire).add(into, partials(addition.from), into, count)
    }
    return partials(holder)
  }
}
