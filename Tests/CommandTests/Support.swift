import Datasets
import DistributedScenarios
import Foundation
import Training

/// A folder of its own for a test, in which it runs the built `lockstep`; removed with the value.
final class Workplace {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/lockstep-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Runs the command to its end, within so many seconds; by itself, or under mpirun as so many ranks.
  func lockstep(
    _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:], timeout: Double = 60
  ) throws -> ProgramResult {
    if let ranks {
      return try MPIRun.run(
        ranks: ranks, executable: "lockstep", arguments: arguments, environment: environment,
        directory: path, timeout: timeout)
    }
    return try Program.run(
      executable: "lockstep", arguments: arguments, environment: environment, directory: path,
      timeout: timeout)
  }

  func start(
    _ arguments: [String], ranks: Int, environment: [String: String] = [:]
  ) throws -> RunningProgram {
    try MPIRun.start(
      ranks: ranks, executable: "lockstep", arguments: arguments, environment: environment, directory: path)
  }

  /// The one line of `lockstep inspect PATH --digest`.
  func digest(_ name: String) throws -> String {
    let result = try lockstep(["inspect", name, "--digest"])
    if result.exitCode != 0 { throw Unexpected("\(result)") }
    return result.standardOutput
  }

  /// The weights and, of the checkpoint after `step`, the optimizer's state.
  func digests(_ run: String, step: Int) throws -> [String] {
    [try digest(run), try digest("\(run)/checkpoints/step-\(step)/optimizer.safetensors")]
  }

  /// The metrics without the columns that tell time.
  func metrics(_ run: String) throws -> [MetricsRecord] {
    try MetricsRecord.read(at: file("\(run)/metrics.jsonl")).map { record in
      var record = record
      record.seconds = 0
      record.samplesPerSecond = nil
      record.waits = nil
      return record
    }
  }

  /// The steps that have a checkpoint, ascending.
  func checkpoints(_ run: String) -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: file("\(run)/checkpoints"))) ?? []
    return names.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil }.sorted()
  }

  /// The names in a folder, sorted.
  func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: file(folder)).sorted()
  }

  /// The steps whose checkpoints `lockstep inspect` finds whole.
  func whole(_ run: String) throws -> [Int] {
    try lockstep(["inspect", run]).standardOutput.matches(of: /step-([0-9]+) +whole/).compactMap { Int($0.1) }
  }

  /// Every file below a folder with its bytes; hidden ones are left out.
  func contents(_ folder: String = "") -> [String: Data] {
    let root = file(folder)
    var result: [String: Data] = [:]
    for name in FileManager.default.enumerator(atPath: root)?.compactMap({ $0 as? String }) ?? [] {
      if name.split(separator: "/").contains(where: { $0.hasPrefix(".") }) { continue }
      result[name] = FileManager.default.contents(atPath: "\(root)/\(name)") ?? Data()
    }
    return result
  }

  /// Changes some bytes in the middle of a file.
  func damage(_ name: String) throws {
    var data = try Data(contentsOf: URL(fileURLWithPath: file(name)))
    let middle = data.count / 2
    for index in middle..<middle + 4 { data[index] ^= 0x5A }
    try data.write(to: URL(fileURLWithPath: file(name)))
  }

  func write(_ bytes: [UInt8], to name: String) throws {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  /// Writes a program. Another process does it: a file that this one has open for writing is open, too, in whatever
  /// another test starts at that moment, and cannot be run until that is gone.
  func writeProgram(_ text: String, to name: String) throws {
    let script = #"mkdir -p "$(dirname "$2")" && printf "%s\n" "$1" >"$2" && chmod 755 "$2""#
    try shell(script, [text, file(name)])
  }

  /// A copy of the built `lockstep` with a byte behind its end: it runs as that one does.
  func writeOtherLockstep() throws -> String {
    let other = file("other-lockstep")
    try shell(#"cp "$1" "$2" && printf x >>"$2""#, [try Program.path(of: "lockstep"), other])
    return other
  }

  private func shell(_ script: String, _ arguments: [String]) throws {
    let result = try Program.run(executable: "sh", arguments: ["-c", script, "sh"] + arguments)
    if result.exitCode != 0 { throw Unexpected("\(result)") }
  }

  /// Four IDX files with built-in digits, as MNIST's; `training` and `test` are counts.
  func writeDigits(to folder: String, training: Int, test: Int, seed: UInt64 = 0) throws {
    for (split, prefix, count) in [(Split.train, "train", training), (.test, "t10k", test)] {
      let digits = try DrawnDigits(split, count: count, seed: seed)
      try write(digits.imageFile, to: "\(folder)/\(prefix)-images-idx3-ubyte")
      try write(digits.labelFile, to: "\(folder)/\(prefix)-labels-idx1-ubyte")
    }
  }
}

/// Built-in digits as bytes, and as IDX files.
struct DrawnDigits {
  var pixels: [UInt8]
  var labels: [UInt8]

  init(_ split: Split, count: Int, seed: UInt64 = 0) throws {
    let data = try BuiltInDigits.draw(split: split, count: count, seed: seed, normalization: .none)
    var inputs = [Float](repeating: 0, count: count * data.inputSize)
    var classes = [Int32](repeating: 0, count: count)
    inputs.withUnsafeMutableBufferPointer { inputs in
      classes.withUnsafeMutableBufferPointer { classes in
        Array(0..<count).withUnsafeBufferPointer { samples in
          guard let input = inputs.baseAddress, let label = classes.baseAddress else { return }
          data.fill(samples, epoch: 0, inputs: input, targets: .labels(label))
        }
      }
    }
    pixels = inputs.map { UInt8($0) }
    labels = classes.map { UInt8($0) }
  }

  var imageFile: [UInt8] { idx([labels.count, 28, 28], pixels) }
  var labelFile: [UInt8] { idx([labels.count], labels) }
}

/// An IDX file of bytes: two zeros, 8 for bytes, the number of extents, and the extents, big end first.
func idx(_ extents: [Int], _ bytes: [UInt8]) -> [UInt8] {
  [0, 0, 8, UInt8(extents.count)]
    + extents.flatMap { extent in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) } } + bytes
}

/// Something that a test needs did not happen.
struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// `--set` for each.
func settings(_ values: String...) -> [String] { values.flatMap { ["--set", $0] } }

/// Under which the ranks of a machine share no memory.
let withoutSharedMemory = ["OMPI_MCA_osc_sm_backing_directory": "/nowhere"]

/// A run of a part of a second.
let smallRun = ["train", "digits"] + settings("data.samples=3000", "data.testSamples=500", "epochs=2")

/// Waits until something is so, at most `timeout` seconds of an idle machine.
func waitUntil(_ what: String, timeout: Double = 30, _ condition: () -> Bool) throws {
  let end = Date(timeIntervalSinceNow: timeout * patience)
  while !condition() {
    if Date() > end { throw Unexpected("after \(timeout * patience) s still not: \(what)") }
    usleep(5000)
  }
}

extension Workplace {
  /// Under which the processes of a test can be found, however they were left by those that started them.
  private static let mark = "LOCKSTEP_TEST_PLACE"

  /// The environment of what this test starts.
  var environment: [String: String] { [Self.mark: path] }

  /// The processes that have this environment and still run.
  func processes() -> [pid_t] {
    let variable = Data("\(Self.mark)=\(path)".utf8)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { id in
      let variables = FileManager.default.contents(atPath: "/proc/\(id)/environ") ?? Data()
      return variables.split(separator: 0).contains(variable) && Program.isRunning(id)
    }
  }
}

extension RunningProgram {
  /// The mpirun that `lockstep launch` has started.
  func launcher() -> pid_t? { descendants().first { Self.isNamed("mpirun", $0) } }

  /// The process of a rank.
  ///
  /// - Parameter name: its program's; nil: the first that has the rank's environment.
  func process(ofRank rank: Int, named name: String? = nil) -> pid_t? {
    descendants().first { id in
      let variables = FileManager.default.contents(atPath: "/proc/\(id)/environ") ?? Data()
      return variables.split(separator: 0).contains(Data("OMPI_COMM_WORLD_RANK=\(rank)".utf8))
        && name.map { Self.isNamed($0, id) } ?? true
    }
  }

  private static func isNamed(_ name: String, _ process: pid_t) -> Bool {
    FileManager.default.contents(atPath: "/proc/\(process)/comm") == Data("\(name)\n".utf8)
  }
}

extension ProgramResult {
  /// What the command itself says on the standard error: lines that begin with its name.
  var messages: [String] {
    standardError.split(separator: "\n").map(String.init).filter { $0.hasPrefix("lockstep: ") }
  }
}
