import Checkpoints
import Foundation
import MessagePassing
import Synchronization
import Testing
import Training

/// A folder for runs; removed with the value.
final class Runs: Sendable {
  let path = FileManager.default.temporaryDirectory.path + "/lockstep-runs-\(UUID().uuidString)"

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Trains the built-in digits, in the folder `name`.
  @discardableResult
  func train(
    _ name: String, ranks: Int = 1, ranksPerMachine: Int? = nil, resume: Bool = false, _ settings: String...
  ) throws -> TrainingRun.Ending {
    try train(name, ranks: ranks, ranksPerMachine: ranksPerMachine, resume: resume, settings: settings)
  }

  func train(
    _ name: String, ranks: Int, ranksPerMachine: Int? = nil, resume: Bool, settings: [String]
  ) throws -> TrainingRun.Ending {
    let overrides =
      ["data.samples=320", "data.testSamples=100", "model.hidden=[16]", "batch=32", "shards=4", "epochs=6"]
      + settings
    let configuration = try RunConfiguration.load("digits", overrides: overrides)
    var options = TrainingRun.Options()
    options.folder = path + "/" + name
    options.resume = resume
    let given = options
    let endings = Mutex<[TrainingRun.Ending]>([])
    try InProcessWorld.run(ranks: ranks, ranksPerMachine: ranksPerMachine) { communicator in
      let run = try TrainingRun(configuration, options: given, in: World(communicator))
      let ending = try run.train()
      endings.withLock { $0.append(ending) }
    }
    let all = endings.withLock { $0 }
    #expect(all.count == ranks && Set(all.map { "\($0)" }).count == 1)
    return try #require(all.first)
  }

  /// The bits of a file's tensors whose names end so, by the names without the ending.
  func tensors(_ file: String, suffix: String = "") throws -> [String: [UInt32]] {
    let file = try SafetensorsFile(path + "/" + file)
    let wanted = file.tensors.filter { $0.name.hasSuffix(suffix) }
    let pairs = try wanted.map { tensor in
      (String(tensor.name.dropLast(suffix.count)), try file.floats(tensor.name).map(\.bitPattern))
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  func model(_ name: String) throws -> [String: [UInt32]] { try tensors(name + "/model.safetensors") }

  func log(_ name: String) throws -> String {
    try String(contentsOfFile: path + "/\(name)/log.txt", encoding: .utf8)
  }

  /// The steps of the validations of a run.
  func validations(_ name: String) throws -> [Int] {
    try MetricsRecord.read(at: path + "/\(name)/metrics.jsonl").filter { $0.split != .train }.map(\.step)
  }
}
