import ArgumentParser
import Foundation
import Lockstep

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains a model as a configuration says.",
    discussion: """
      CONFIG is a YAML file or a preset: \(ConfigurationPreset.all.map { "\($0.name) (\($0.summary))" }
        .joined(separator: "; ")).
      """)

  @Argument(help: "A YAML file or a preset; with --resume it may be left out.")
  var config: String?

  @Option(name: .customLong("out"), help: "The run's folder; left out: a new one below runs/.")
  var folder: String?

  @Flag(help: "Goes on from the newest whole checkpoint in the run's folder, or begins where there is none.")
  var resume = false

  @OptionGroup var training: TrainingOptions

  @Option(help: "Prints a preset's text and ends.")
  var printConfig: String?

  func validate() throws {
    guard printConfig == nil else { return }
    if config == nil, !(resume && folder != nil) {
      throw ValidationError(
        "Name a configuration, as in: lockstep train digits; or a run to go on with: lockstep train --resume --out DIR"
      )
    }
    if resume, folder == nil { throw ValidationError("--resume needs the run's folder: --out DIR") }
  }

  func run() throws {
    if let printConfig {
      Ending.alone {
        guard let preset = ConfigurationPreset.named(printConfig) else {
          throw TrainingError(
            at: "--print-config", expected: ConfigurationPreset.all.map(\.name).joined(separator: " or "),
            found: printConfig, remedy: "Name one of these presets.")
        }
        print(preset.yaml, terminator: "")
        return Ending.done
      }
    }
    Ending.distributed { world in
      StopSignal.install()
      let run = try Ending.agreed(Ending.wrongUsage) {
        let times = try together(world.communicator) { try training.times() }
        let configuration = try together(world.communicator) { try load() }
        var options = TrainingRun.Options()
        options.folder = folder
        options.resume = resume
        options.allowChangedData = training.allowChangedData
        options.name = name
        options.timeLimit = times.limit
        options.hangTimeout = times.hang
        return try TrainingRun(configuration, options: options, in: world)
      }
      switch try Ending.agreed(Ending.failed, { try run.train() }) {
      case .finished: return Ending.done
      case .stopped: return Ending.stopped
      }
    }
  }

  private func load() throws -> RunConfiguration {
    let source = config ?? (folder ?? ".") + "/config.yaml"
    guard config != nil || FileManager.default.fileExists(atPath: source) else {
      throw TrainingError(
        at: folder ?? ".", expected: "the folder of a run to go on with", found: "no config.yaml in it",
        remedy: "Check the path, or name a configuration to begin with: "
          + "lockstep train digits --resume --out \(folder ?? ".")")
    }
    return try RunConfiguration.load(source, overrides: training.allOverrides)
  }

  /// What a run is called that gets a folder of its own.
  var name: String {
    let last = config?.split(separator: "/").last.map(String.init) ?? "run"
    return last.split(separator: ".").first.map(String.init) ?? "run"
  }
}
