import ArgumentParser
import CProcesses
import Foundation
import Lockstep

/// The command: `lockstep train`, and what goes with it.
@main
struct LockstepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Trains neural networks data-parallel on CPUs, with the same bits on any number of ranks.",
    discussion: """
      lockstep train digits                    one process
      mpirun -np 4 lockstep train digits       four ranks
      lockstep train --print-config digits     a configuration to start from

      Exit codes: 0 done, 1 failed, 2 wrong usage, configuration or data, 75 stopped by a signal and \
      saved, to be resumed.
      """,
    version: LockstepVersion.current,
    subcommands: [
      TrainCommand.self, LaunchCommand.self, SweepCommand.self, CrossValidateCommand.self,
      EvaluateCommand.self, PredictCommand.self, GenerateCommand.self, InspectCommand.self,
      PlanCommand.self, BenchCommand.self, DoctorCommand.self,
    ])

  static func main() {
    // A reader that has seen enough (`lockstep inspect RUN | head`) is no reason to die of a signal.
    signal(SIGPIPE, SIG_IGN)
    lockstep_keep_heap_small()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      exit(withUsageError: error)
    }
  }

  /// What the parser throws: help and version end well, everything else is wrong usage, exit code 2.
  private static func exit(withUsageError error: any Error) -> Never {
    let isHelp = exitCode(for: error) == .success
    if isHelp {
      print(fullMessage(for: error))
    } else if isFirstRank {
      FileHandle.standardError.write(Data((fullMessage(for: error) + "\n").utf8))
    }
    Foundation.exit(isHelp ? Ending.done : Ending.wrongUsage)
  }

  /// Whether a launcher calls this rank 0, or there is none; before MPI is begun.
  private static var isFirstRank: Bool {
    (LaunchEnvironment(ProcessInfo.processInfo.environment).rank ?? 0) == 0
  }
}
