import Checkpoints
import MessagePassing
import TensorCore

/// What must be alike on all ranks, and what a checkpoint remembers of its origin.
struct RunIdentity {
  let configuration: String
  let model: String
  let data: String
  let program: String
  let libraries: String
  let processor: String

  init(_ configuration: RunConfiguration, trainer: Trainer, data: RunData) throws {
    self.configuration = configuration.trainingIdentity
    model = trainer.objective.layout.entries.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")
    self.data = data.training.digest()
    program = try Digest128(ofFile: "/proc/self/exe").description
    libraries = "\(ComputeLibrary.version), \(MPILibrary.version.split(separator: ",").first ?? "MPI")"
    processor = DoctorInputs.cpuKind.description
  }

  /// Refuses ranks that differ, before the first step.
  func requireEqual(over communicator: any Communicator) throws {
    // Texts of many lines are told apart by their digests, and shown by the first line that differs.
    let parts = [
      ("configuration", configuration), ("model", model), ("data", data), ("program", program),
      ("libraries", libraries), ("processor", processor),
    ]
    let differences = try compareFingerprints(
      parts.map { (name: $0.0, value: $0.0 == "configuration" ? Self.oneLine($0.1) : $0.1) },
      over: communicator)
    guard let first = differences.first else { return }
    throw TrainingError(
      at: "the ranks",
      expected: "the same configuration, model, data, program, libraries and kind of processor",
      found: differences.map(\.description).joined(separator: "; "),
      remedy: first.name == "processor"
        ? "Start all ranks on machines of one kind, or hold the libraries to a common instruction set with "
          + "DNNL_MAX_CPU_ISA on all of them."
        : "Start every rank with the same program, arguments and files.")
  }

  /// Refuses a checkpoint of another training; returns what may change bits all the same.
  func check(_ state: RunState, path: String, allowChangedData: Bool) throws(TrainingError) -> [String] {
    if state.identity != configuration {
      let (before, now) = Self.firstDifference(state.identity, configuration)
      throw TrainingError(
        at: path, expected: "a checkpoint of this training (\(now))", found: "one of another (\(before))",
        remedy:
          "Resume with the run's own configuration, \(path.isEmpty ? "" : "config.yaml in its folder, ")"
          + "or start anew in another folder (--out).")
    }
    if state.data != data, !allowChangedData {
      throw TrainingError(
        at: path, expected: "the training data that the run began with, \(state.data)", found: data,
        remedy: "Bring those data back, or go on with the changed ones: --allow-changed-data")
    }
    var warnings: [String] = []
    if state.data != data { warnings.append("the training data changed since the checkpoint") }
    if state.libraries != libraries {
      warnings.append(
        "bits may change: the checkpoint was made with \(state.libraries), this is \(libraries)")
    }
    if state.processor != processor {
      warnings.append("bits may change: the checkpoint was made on \(state.processor), this is \(processor)")
    }
    if state.program != program {
      warnings.append("bits may change: the checkpoint was made by another build of the program")
    }
    return warnings
  }

  private static func oneLine(_ text: String) -> String {
    text.split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: ", ")
  }

  private static func firstDifference(_ before: String, _ now: String) -> (String, String) {
    let (old, new) = (before.split(separator: "\n"), now.split(separator: "\n"))
    for (left, right) in zip(old, new) where left != right {
      return (left.trimmingPrefix { $0 == " " }.description, right.trimmingPrefix { $0 == " " }.description)
    }
    return ("\(old.count) settings", "\(new.count) settings")
  }
}
