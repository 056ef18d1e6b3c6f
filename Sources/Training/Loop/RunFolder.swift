import Checkpoints
import Foundation

/// Where a run keeps its files, and the rule that an existing run is resumed or refused, never overwritten.
/// Rank 0 alone has one.
package final class RunFolder {
  let path: String
  let store: CheckpointStore
  /// The checkpoint to go on from, if there is one.
  let newest: Checkpoint?
  /// Newer ones that turned out to be damaged.
  let rejected: [CheckpointStore.Rejected]
  private let lock: RunLock

  var configurationPath: String { path + "/config.yaml" }
  var metricsPath: String { path + "/metrics.jsonl" }
  var logPath: String { path + "/log.txt" }
  var modelPath: String { path + "/" + ModelFile.name }

  /// - Parameter wanted: the folder to use; nil: the first free of `runs/NAME-1`, `runs/NAME-2`, …
  init(_ wanted: String?, name: String, resume: Bool, retention: Retention) throws {
    path = wanted ?? Self.firstFree("runs/" + name)
    let holdsRun = Self.holdsRun(path)
    guard resume || !holdsRun else {
      throw TrainingError(
        at: path, expected: "a new or empty folder", found: "a run",
        remedy: "Resume that run with --resume, or name another folder with --out.")
    }
    lock = try RunLock(folder: path)
    store = try CheckpointStore(path + "/checkpoints", lock: lock, retention: retention)
    (newest, rejected) = resume ? try store.newestVerified() : (nil, [])
    if resume, newest == nil, let damaged = rejected.first {
      throw TrainingError(
        at: store.folder, expected: "at least one whole checkpoint to resume from",
        found: "\(rejected.count) damaged; the newest, step-\(damaged.step): \(Self.fault(damaged))",
        remedy: "Bring a whole checkpoint back from a copy, or start anew in another folder (--out).")
    }
  }

  private static func fault(_ rejected: CheckpointStore.Rejected) -> String {
    let diagnosis = rejected.reason.diagnosis
    return "\(diagnosis.place): expected \(diagnosis.expected), found \(diagnosis.found)"
  }

  /// Whether training has left something in a folder.
  static func holdsRun(_ path: String) -> Bool {
    ["config.yaml", "metrics.jsonl", "checkpoints", ModelFile.name].contains {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
  }

  /// The first free of `PREFIX-1`, `PREFIX-2`, …: the folder that a run gets by itself.
  package static func firstFree(_ prefix: String) -> String {
    var number = 1
    while FileManager.default.fileExists(atPath: "\(prefix)-\(number)") { number += 1 }
    return "\(prefix)-\(number)"
  }
}
