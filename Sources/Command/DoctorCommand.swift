import ArgumentParser
import Foundation
import Lockstep

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Says what on this machine is wrong or slow for training, and the fix.")

  @Option(name: .customLong("out"), help: "Where runs are to be written.")
  var folder = "."

  @Option(help: "Threads of each rank.")
  var threads = 1

  func validate() throws {
    if threads < 1 { throw ValidationError("--threads must be at least 1, is \(threads)") }
  }

  func run() throws {
    Ending.alone {
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
