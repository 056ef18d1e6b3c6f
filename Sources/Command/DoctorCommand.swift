import ArgumentParser
import Foundation
import Lockstep

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Says what on this machine is wrong or slow for training, and the fix.",
    discussion: """
      lockstep doctor                               this machine
      mpirun -np 4 lockstep doctor --cluster        these ranks together: where they are, what stands between them
      srun --mpi=pmix -n 4 lockstep doctor --cluster
      """)

  @Option(name: .customLong("out"), help: "Where runs are to be written.")
  var folder = "."

  @Option(help: "Threads of each rank.")
  var threads = 1

  @Flag(help: "Looks at the ranks of a launcher together, in about two seconds, instead of at this machine.")
  var cluster = false

  @Option(help: "With --cluster: how long to wait for ranks that do not answer.")
  var timeout = "30s"

  func validate() throws {
    if threads < 1 { throw ValidationError("--threads must be at least 1, is \(threads)") }
  }

  func run() throws {
    Ending.alone {
      if cluster {
        let patience = try DurationText.seconds(timeout, at: "--timeout")
        ClusterDoctor(folder: folder, threads: threads, patience: max(patience, 1)).run()
      }
      let report = Doctor.examine(
        .gather(
          version: LockstepVersion.current, mpiLibrary: MPILibrary.version, oneDNN: ComputeLibrary.version,
          folder: folder, threads: threads))
      let terminal = Terminal.of(1)
      print(report.text(width: terminal.width, color: terminal.hasColor))
      return report.exitCode
    }
  }
}
