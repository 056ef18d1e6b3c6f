import DistributedScenarios
import Foundation
import Testing

/// Faults 15 and 23: files that are damaged, or made to do harm, end in an error that names them, or are read; never in a
/// crash, in memory beyond a bound, or in waiting. Each reader is tried in a process of its own, so that a crash
/// names the file.
@Suite struct HostileFileTests {
  static let corpus: String = {
    let file = URL(fileURLWithPath: #filePath)
    return file.deletingLastPathComponent().deletingLastPathComponent().path + "/Corpus"
  }()

  static let readers = (try? FileManager.default.contentsOfDirectory(atPath: corpus).sorted())?.filter {
    !$0.contains(".")
  }

  @Test func everyReaderHasACorpus() throws {
    let result = try Program.run(executable: "reader-fuzzer", arguments: ["--list"])
    let readers = result.standardOutput.split(separator: "\n").compactMap { $0.split(separator: " ").first }
    #expect(readers.map(String.init).sorted() == Self.readers)
  }

  @Test(arguments: readers ?? [])
  func fault15And23DamagedAndHostileFilesAreReadOrRefused(reader: String) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/lockstep-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let result = try Program.run(
      executable: "reader-fuzzer", arguments: [reader, "\(Self.corpus)/\(reader)", "1000", folder],
      environment: [
        "SWIFT_BACKTRACE": "enable=no",
        // Large pieces go back to the system when they are freed, so that each input is measured by itself.
        "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072",
      ], timeout: 120)
    guard result.exitCode != 0 else { return }
    // What is in the folder is the input that did it.
    let kept = FileManager.default.temporaryDirectory.path + "/lockstep-\(reader)-finding"
    try? FileManager.default.removeItem(atPath: kept)
    try? FileManager.default.copyItem(atPath: folder + "/input", toPath: kept)
    Issue.record("the reader of \(reader) fails on \(kept)\n\(result)")
  }
}
