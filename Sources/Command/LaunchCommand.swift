import ArgumentParser
import Foundation
import Lockstep

struct LaunchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "launch",
    abstract: "Trains on several ranks, and begins again from the last checkpoint when that fails.",
    usage: "lockstep launch -n N [OPTIONS] -- train|sweep|crossvalidate ARGUMENTS",
    discussion: """
      Starts mpirun. A run that fails goes on from its newest checkpoint: on the hosts that are left, with fewer ranks \
      where need be, to the same bits. SIGTERM, SIGINT and SIGUSR1 have the ranks save and end with exit code 75; a \
      second signal ends them at once. Wrong usage (exit code 2) is not tried again.
      """)

  @Option(name: [.customShort("n"), .customLong("ranks")], help: "The number of ranks.")
  var ranks: Int

  @Option(help: "How often to begin again without a newer checkpoint.")
  var maxRestarts = 3

  @Option(help: "The hosts and their slots, in Open MPI's format.")
  var hostfile: String?

  @Flag(help: "Allows more ranks than slots.")
  var oversubscribe = false

  @Flag(help: "Runs as root, which mpirun refuses otherwise.")
  var allowRunAsRoot = false

  @Option(
    name: .customLong("mpirun"), parsing: .unconditionalSingleValue,
    help: "Options for mpirun, separated by spaces, as --mpirun \"--map-by node\"; may be repeated.")
  var mpirunOptions: [String] = []

  @Option(help: "Seconds before the first restart; each further one without progress doubles them, up to 60.")
  var wait = 1.0

  @Argument(parsing: .postTerminator, help: "train, sweep or crossvalidate, and its arguments.")
  var command: [String] = []

  func validate() throws {
    if ranks < 1 { throw ValidationError("-n must be at least 1, is \(ranks)") }
    if maxRestarts < 0 { throw ValidationError("--max-restarts must be at least 0, is \(maxRestarts)") }
    if !(wait >= 0 && wait <= 3600) { throw ValidationError("--wait must be within 0...3600, is \(wait)") }
    guard command.first.map(Self.launchable.keys.contains) == true else {
      throw ValidationError("Name what to train, as in: lockstep launch -n 4 -- train digits")
    }
  }

  func run() throws {
    // What is wrong with the arguments is better said once, and before anything is started.
    guard let kind = Self.launchable[command[0]] else { return }
    let training = try kind.parse(Array(command.dropFirst()))
    if (training as? TrainCommand)?.printConfig != nil {
      throw ValidationError("Print a configuration without launch: lockstep train --print-config NAME")
    }
    Ending.alone {
      let folder = training.runFolder ?? RunFolder.firstFree("runs/" + training.name)
      var options = JobLauncher.Options(ranks: ranks)
      options.maxRestarts = maxRestarts
      options.hostfile = try hostfile.map { path throws(LaunchError) in try Hostfile(at: path) }
      options.oversubscribe = oversubscribe
      options.allowRoot = allowRunAsRoot
      options.mpirun = mpirunOptions.flatMap { $0.split(separator: " ").map(String.init) }
      options.firstWait = wait
      let launcher = try JobLauncher(options, program: Self.program, folder: folder) {
        training.progress(folder)
      }
      return try launcher.run { restart in
        arguments(training, folder: folder, isRestart: restart > 0)
      }
    }
  }

  /// This program, as other hosts and other folders find it too.
  private static var program: String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? CommandLine.arguments.first ?? "lockstep"
  }

  /// What the ranks get: the user's own arguments, the run's folder where it was left open, and at a restart what takes
  /// up what was begun.
  private func arguments(_ training: any LaunchableCommand, folder: String, isRestart: Bool) -> [String] {
    var arguments = command
    if training.runFolder == nil { arguments += ["--out", folder] }
    guard isRestart else { return arguments }
    if !training.isResumed { arguments.append("--resume") }
    // What fails again is left at that.
    arguments.removeAll { $0 == "--retry-failed" }
    return arguments + training.restartArguments(folder)
  }

  private static let launchable: [String: any LaunchableCommand.Type] = [
    "train": TrainCommand.self, "sweep": SweepCommand.self, "crossvalidate": CrossValidateCommand.self,
  ]
}

/// A command that can go on with what it has begun.
protocol LaunchableCommand: ParsableCommand {
  /// The folder that was named.
  var runFolder: String? { get }
  var isResumed: Bool { get }
  /// What its folder is called where none was named.
  var name: String { get }
  func progress(_ folder: String) -> JobProgress
  /// What it takes besides to go on.
  func restartArguments(_ folder: String) -> [String]
}

extension TrainCommand: LaunchableCommand {
  var runFolder: String? { folder }
  var isResumed: Bool { resume }

  func progress(_ folder: String) -> JobProgress { .ofRun(folder) }

  /// Its number of shards, on which the bits depend.
  func restartArguments(_ folder: String) -> [String] {
    guard let begun = try? RunConfiguration.load(folder + "/config.yaml"), let shards = begun.shards else {
      return []
    }
    return ["--set", "shards=\(shards)"]
  }
}

extension SweepCommand: LaunchableCommand {
  var runFolder: String? { options.folder }
  var isResumed: Bool { options.resume }

  func progress(_ folder: String) -> JobProgress { .ofMembers(folder, command: "sweep") }
  func restartArguments(_ folder: String) -> [String] { [] }
}

extension CrossValidateCommand: LaunchableCommand {
  var runFolder: String? { options.folder }
  var isResumed: Bool { options.resume }

  func progress(_ folder: String) -> JobProgress { .ofMembers(folder, command: "crossvalidate") }
  func restartArguments(_ folder: String) -> [String] { [] }
}
