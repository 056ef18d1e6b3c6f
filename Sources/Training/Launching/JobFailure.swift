import Foundation

/// What a job's messages say of its failure: learnt line by line from the standard error, where mpirun, the ranks and
/// their watchdogs write.
package struct JobFailure: Sendable, Equatable {
  /// The rank that failed first, as mpirun or a rank tells.
  package var rank: Int?
  package var host: String?
  /// By which it was killed.
  package var signal: Int32?
  /// With which it ended.
  package var exitCode: Int?
  /// Ranks that hang, as a watchdog names them, with their hosts.
  package var hanging: [Place] = []
  /// Hosts to which mpirun lost its connection.
  package var lostHosts: [String] = []
  /// What mpirun cannot do and would not do at another attempt either.
  package var refusal: String?

  package struct Place: Sendable, Equatable {
    package let rank: Int
    package let host: String

    package init(rank: Int, host: String) {
      self.rank = rank
      self.host = host
    }
  }

  package init() {}

  /// Open MPI tells in two lines of a rank that ended by itself.
  private var endedRank: Int?

  /// Takes notice of a line.
  package mutating func read(_ line: some StringProtocol) {
    let line = String(line)
    if readHang(line) { return }
    if let match = line.firstMatch(of: /process rank (\d+) with PID \d+ on node (\S+) exited on signal (\d+)/)
    {
      if rank == nil {
        (rank, host, signal) = (Int(match.1), String(match.2), Int32(match.3))
      }
    } else if let match = line.firstMatch(of: /^\s*Process name:\s*\[\[\d+,\d+\],(\d+)\]/) {
      endedRank = Int(match.1)
    } else if let match = line.firstMatch(of: /^\s*Exit code:\s*(\d+)/), let ended = endedRank {
      if rank == nil { rank = ended }
      if rank == ended { exitCode = Int(match.1) }
    } else if let match = line.firstMatch(of: #/^lockstep: rank (\d+) of \d+ on ([^\s:]+): /#) {
      // What a rank says before it ends the others. The first is the cause.
      if rank == nil { (rank, host) = (Int(match.1), String(match.2)) }
    } else if let match = line.firstMatch(of: /^\s*Remote daemon:.* on node (\S+)/) {
      let name = String(match.1)
      if !lostHosts.contains(name) { lostHosts.append(name) }
    } else {
      readRefusal(line)
    }
  }

  /// Ranks that a watchdog blames and whose hosts are told in lines that follow.
  private var blamed: Set<Int> = []

  /// What a watchdog says: `lockstep: hang: rank 2 on host H`, or `lockstep: no progress for 30 s: rank 2 on H does not
  /// run`; where several are to blame, the hosts follow in lines such as `  ranks 2, 3 on H: in step 12`.
  private mutating func readHang(_ line: String) -> Bool {
    if let match = line.firstMatch(of: /^lockstep: (?:hang|no progress for [^:]+): (.+)/) {
      // One that waits for a message is not the one that did not send it.
      guard let ranks = match.1.firstMatch(of: Self.someRanks), !match.1.contains(/\swaits? for a message/)
      else {
        return true
      }
      let numbers = Self.numbers(ranks.1)
      if let host = ranks.2 { add(numbers, host) } else { blamed = Set(numbers) }
      return true
    }
    guard !blamed.isEmpty, let match = line.prefixMatch(of: /\s\s(ranks? .*)/),
      let ranks = match.1.prefixMatch(of: Self.someRanks), let host = ranks.2
    else { return false }
    let numbers = Self.numbers(ranks.1).filter(blamed.contains)
    add(numbers, host)
    blamed.subtract(numbers)
    return true
  }

  private mutating func add(_ ranks: [Int], _ host: Substring) {
    let name = String(host.hasSuffix(".") ? host.dropLast() : host)
    for rank in ranks where !hanging.contains(Place(rank: rank, host: name)) {
      hanging.append(Place(rank: rank, host: name))
    }
  }

  /// `rank 2 on host H`, `ranks 0, 2 to 4 on H`, `ranks 0, 1`.
  private static var someRanks: Regex<(Substring, Substring, Substring?)> {
    /ranks? (\d+(?: to \d+)?(?:, \d+(?: to \d+)?)*)(?: on (?:host )?([^\s:,;]+))?/
  }

  private static func numbers(_ text: Substring) -> [Int] {
    text.split(separator: ", ").flatMap { part -> [Int] in
      let ends = part.split(separator: " to ").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last, last - first < 1 << 20 else {
        return []
      }
      return Array(first...last)
    }
  }

  private mutating func readRefusal(_ line: String) {
    let refusals = [
      ("There are not enough slots available", "fewer slots than ranks"),
      ("mpirun was unable to launch the specified application", "a program that it could not start"),
      ("mpirun has detected an attempt to run as root", "the user root"),
      ("mpirun: Error: unknown option", "an option that it does not know"),
    ]
    if let (_, reason) = refusals.first(where: { line.contains($0.0) }) { refusal = refusal ?? reason }
  }
}

/// Cuts what comes in pieces into lines.
package struct LineCutter: Sendable {
  private var rest: [UInt8] = []
  /// No message of interest is longer; what is, is cut.
  private let longest = 4096

  package init() {}

  /// The lines that are complete with these bytes.
  package mutating func add(_ bytes: some Sequence<UInt8>) -> [String] {
    var lines: [String] = []
    for byte in bytes {
      if byte == UInt8(ascii: "\n") || rest.count == longest {
        lines.append(String(decoding: rest, as: UTF8.self))
        rest.removeAll(keepingCapacity: true)
      }
      if byte != UInt8(ascii: "\n") { rest.append(byte) }
    }
    return lines
  }
}
