import DistributedScenarios
import Foundation
import Testing

/// However large a file is and whatever it says: reading it takes at most twice its size, and 64 MiB. The files are made
/// by the readers' processes, each such that its reader makes the most of every byte.
@Suite struct LargeFileTests {
  static let names =
    (try? Program.run(executable: "reader-fuzzer", arguments: ["--large"]))?.standardOutput
    .split(separator: "\n").map(String.init) ?? []

  @Test func thereAreLargeFilesForEachReaderWhoseMemoryDependsOnThem() {
    for reader in [
      "csv", "npy", "idx", "cifar", "tokenizer", "configuration", "safetensors", "model", "plan", "state",
      "metrics",
    ] {
      #expect(Self.names.contains { $0.hasPrefix("\(reader)-") }, "\(reader)")
    }
  }

  @Test(arguments: names)
  func aLargeFileTakesAtMostTwiceItsSizeAnd64MiB(name: String) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/lockstep-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let result = try Program.run(
      executable: "reader-fuzzer", arguments: ["--large", name, folder],
      environment: ["SWIFT_BACKTRACE": "enable=no"], timeout: 60)
    #expect(result.exitCode == 0, "\(result)")
  }
}
