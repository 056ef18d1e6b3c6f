import ArgumentParser
import Foundation
import Lockstep

/// What `sweep` and `crossvalidate` have in common.
struct MemberOptions: ParsableArguments {
  @Option(name: .customLong("out"), help: "The folder of all; left out: a new one below runs/.")
  var folder: String?

  @Flag(help: "Goes on with what is not settled in the folder, or begins where there is nothing.")
  var resume = false

  @Flag(help: "With --resume: tries those that failed once more.")
  var retryFailed = false

  @Option(
    help: ArgumentHelp(
      "How often the job may die while one is trained, without a newer checkpoint, before that one is left out.",
      valueName: "K"))
  var attempts = 3

  @OptionGroup var training: TrainingOptions

  func validate() throws {
    if attempts < 1 { throw ValidationError("--attempts must be at least 1, is \(attempts)") }
    if resume, folder == nil { throw ValidationError("--resume needs the folder: --out DIR") }
    if retryFailed, !resume { throw ValidationError("--retry-failed goes with --resume") }
  }

  /// Runs all members and ends the process.
  ///
  /// - Parameter code: the exit code when so many of so many have failed.
  func run(
    name: String, _ runner: (MemberRunner.Options, World) throws -> MemberRunner,
    code: (_ failed: Int, _ count: Int) -> Int32
  ) -> Never {
    Ending.distributed { world in
      StopSignal.install()
      let runner = try Ending.agreed(Ending.wrongUsage) {
        let times = try together(world.communicator) { try training.times() }
        var options = MemberRunner.Options()
        options.folder = folder
        options.name = name
        options.resume = resume
        options.retriesFailed = retryFailed
        options.attempts = attempts
        options.allowChangedData = training.allowChangedData
        options.timeLimit = times.limit
        options.hangTimeout = times.hang
        return try runner(options, world)
      }
      // A group whose ranks throw alike is not all ranks: what is thrown here ends them all.
      switch try runner.run() {
      case .settled(let failed, let count): return code(failed, count)
      case .stopped: return Ending.stopped
      // A start with the same will not go better.
      case .refused: return Ending.wrongUsage
      }
    }
  }

  /// What a folder is called after a file: `search` for `sweeps/search.yaml`.
  static func name(_ path: String?) -> String? {
    path?.split(separator: "/").last?.split(separator: ".").first.map(String.init)
  }
}
