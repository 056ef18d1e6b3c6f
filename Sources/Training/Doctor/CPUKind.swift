/// The kind of a processor, as far as it decides which kernels run, and with them which bits come out.
public struct CPUKind: Sendable, Equatable, CustomStringConvertible {
  /// Instruction sets by the names of oneDNN's levels, the richest last. Processors of one level get the
  /// same kernels.
  public enum InstructionSet: String, Sendable, CaseIterable {
    case sse41
    case avx
    case avx2
    case avx2VNNI = "avx2_vnni"
    case avx512 = "avx512_core"
    case avx512VNNI = "avx512_core_vnni"
    case avx512BF16 = "avx512_core_bf16"
    case avx512AMX = "avx512_core_amx"
    /// 64-bit ARM.
    case asimd
    case sve
    /// None of these.
    case other
  }

  /// `Intel(R) Xeon(R) Processor`, or the vendor's numbers where there is no name.
  public let model: String
  /// Vendor, family and model in numbers: what libraries look at. `GenuineIntel 6/207`
  public let identity: String
  public let instructionSet: InstructionSet

  /// - Parameter cpuinfo: the text of `/proc/cpuinfo`; its first processor counts.
  public init(cpuinfo: String) {
    var fields: [Substring: String] = [:]
    for line in cpuinfo.split(separator: "\n", omittingEmptySubsequences: false) {
      // An empty line ends a processor; some texts begin with one.
      if line.allSatisfy(\.isWhitespace) {
        if fields.isEmpty { continue } else { break }
      }
      let parts = line.split(separator: ":", maxSplits: 1)
      guard let key = parts.first else { continue }
      fields[key.trimmed] = parts.count == 2 ? String(parts[1].trimmed) : ""
    }
    if let vendor = fields["vendor_id"] {
      identity = "\(vendor) \(fields["cpu family"] ?? "?")/\(fields["model"] ?? "?")"
      model = fields["model name"] ?? identity
      instructionSet = Self.x86(Set((fields["flags"] ?? "").split(separator: " ")))
    } else if let implementer = fields["CPU implementer"] {
      identity = "ARM \(implementer)/\(fields["CPU part"] ?? "?")"
      model = fields["model name"] ?? identity
      let features = Set((fields["Features"] ?? "").split(separator: " "))
      instructionSet = features.contains("sve") ? .sve : features.contains("asimd") ? .asimd : .other
    } else {
      identity = "unknown"
      model = fields["model name"] ?? "unknown"
      instructionSet = .other
    }
  }

  /// The kind in one line, for fingerprints: equal where the same kernels are chosen.
  public var description: String {
    (model == identity ? identity : "\(model) (\(identity))") + ", \(instructionSet.rawValue)"
  }

  private static func x86(_ flags: Set<Substring>) -> InstructionSet {
    let hasAVX2 = flags.isSuperset(of: ["avx2", "fma"])
    if hasAVX2, flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"]) {
      guard flags.contains("avx512_vnni") else { return .avx512 }
      guard flags.contains("avx512_bf16") else { return .avx512VNNI }
      return flags.isSuperset(of: ["amx_tile", "amx_int8", "amx_bf16"]) ? .avx512AMX : .avx512BF16
    }
    if hasAVX2 { return flags.contains("avx_vnni") ? .avx2VNNI : .avx2 }
    if flags.contains("avx") { return .avx }
    return flags.contains("sse4_1") ? .sse41 : .other
  }
}

extension Substring {
  /// Without the white space at both ends.
  var trimmed: Substring {
    var rest = self
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest
  }
}
