import Foundation

/// Writes the last words of a rank that ends the whole job. One write, so that what several ranks have to
/// say is not interleaved.
func writeLastWords(_ message: String, rank: Int, size: Int, machine: String) {
  fflush(nil)
  let place = size == 1 ? "" : "rank \(rank) of \(size) on \(machine): "
  var text = Array("lockstep: \(place)\(message)\n".utf8)[...]
  while !text.isEmpty {
    let written = text.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    if written < 0 && errno == EINTR { continue }
    if written <= 0 { return }
    text = text.dropFirst(written)
  }
}

/// The name of this machine in its own words.
func hostName() -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name in
    name.initialize(repeating: 0)
    guard let start = name.baseAddress, gethostname(start, 255) == 0 else { return "unknown" }
    return String(cString: start)
  }
}
