import ArgumentParser
import Lockstep

/// What all commands take that train.
struct TrainingOptions: ParsableArguments {
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "Sets one value of the configuration, as optimizer.learningRate=0.05; may be repeated.")
  var overrides: [String] = []

  @Flag(help: "Resumes although the training data have changed since the checkpoint.")
  var allowChangedData = false

  @Option(help: "Threads of each rank.")
  var threads: Int?

  @Option(
    help: "Saves and ends in time, with exit code 75, so long after its start at the latest: 90s, 45m, 1h30m."
  )
  var timeLimit: String?

  @Option(help: "Ends the job when a rank stands still for so long, and says which and where; 0: never.")
  var hangTimeout = "10m"

  func validate() throws { try ThreadsOption.check(threads) }

  var allOverrides: [String] { overrides + ThreadsOption.overrides(threads) }

  /// `--time-limit` and `--hang-timeout` in seconds.
  func times() throws -> (limit: Double?, hang: Double) {
    let limit = try timeLimit.map { try DurationText.seconds($0, at: "--time-limit") }
    if let limit, limit < 1 {
      throw ConfigurationError(
        at: "--time-limit", expected: "at least a second", found: timeLimit ?? "",
        remedy: "Leave it out for a run without a limit.")
    }
    let patience = try DurationText.seconds(hangTimeout, at: "--hang-timeout")
    if patience > 0, patience < 1 {
      throw ConfigurationError(
        at: "--hang-timeout", expected: "0, for never, or at least a second", found: hangTimeout,
        remedy: "Allow for what a rank may need between two instructions.")
    }
    return (limit, patience)
  }
}
