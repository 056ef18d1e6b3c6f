/// The parts of Open MPI that carry messages, as far as a process shows which it has loaded: libraries named
/// `mca_FRAMEWORK_NAME.so`, of which those that are not used are unloaded at the start.
package enum OpenMPIComponents {
  /// `pml ob1`, `btl tcp` and the like, sorted.
  ///
  /// - Parameter maps: the text of `/proc/self/maps`.
  package static func names(inMaps maps: String) -> [String] {
    var names: Set<String> = []
    for line in maps.split(separator: "\n") {
      guard let file = line.split(separator: "/").last, file.hasPrefix("mca_"), file.hasSuffix(".so") else {
        continue
      }
      let parts = file.dropFirst(4).dropLast(3).split(separator: "_", maxSplits: 1)
      guard parts.count == 2, ["pml", "btl", "mtl"].contains(parts[0]) else { continue }
      names.insert("\(parts[0]) \(parts[1])")
    }
    return names.sorted()
  }

  /// What carries messages between ranks that have these; nil where it cannot be told.
  package static func transport(_ components: Set<String>, insideMachine: Bool) -> String? {
    if components.contains("pml ucx") { return "UCX" }
    if components.contains("pml cm") {
      return components.first { $0.hasPrefix("mtl ") }.map { "\($0.dropFirst(4)) (mtl)" }
    }
    if insideMachine, components.contains("btl vader") { return "shared memory (vader)" }
    for (name, words) in [("btl openib", "InfiniBand (openib)"), ("btl usnic", "usNIC"), ("btl tcp", "TCP")]
    where components.contains(name) { return words }
    return nil
  }
}
