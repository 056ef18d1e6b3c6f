/// Finds what somebody meant who misspelled a name.
package enum NearestName {
  /// The name among `candidates` that is most like `name`, or nil when none is near. Case, `_` and `-` do
  /// not count, so that `learning_rate` finds `learningRate`; then at most a third of the letters may
  /// differ, and always one. Ties go to the earlier candidate.
  package static func nearest(to name: String, among candidates: [String]) -> String? {
    let wanted = normalized(name)
    guard wanted.count <= 64 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let other = normalized(candidate)
      let distance = editDistance(wanted, other)
      let allowed = max(1, max(wanted.count, other.count) / 3)
      // Nothing is left of a short name when as many letters are changed as it has.
      guard distance <= allowed, distance < min(wanted.count, other.count) || distance == 0 else { continue }
      if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
    }
    return best?.name
  }

  /// Whether two names differ in nothing but case, `_` and `-`.
  static func same(_ a: String, _ b: String) -> Bool { normalized(a) == normalized(b) }

  /// The number of letters to insert, delete, replace or swap with a neighbour that makes `a` into `b`:
  /// the restricted Damerau–Levenshtein distance.
  package static func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 1...a.count {
      var row = [i]
      row.reserveCapacity(b.count + 1)
      for j in 1...b.count {
        var distance = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
          distance = min(distance, beforeLast[j - 2] + 1)
        }
        row.append(distance)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }

  private static func normalized(_ name: String) -> [Character] {
    name.lowercased().filter { $0 != "_" && $0 != "-" }
  }
}
