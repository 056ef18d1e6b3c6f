import Checkpoints
import MessagePassing
import TensorCore

/// What must be alike on all ranks, and what a checkpoint remembers of its origin.
struct RunIdentity {
  let configuration: String
  /// What weights do not depend on while all goes well, and ranks must do alike all the same.
  let watching: String
  let model: String
  let data: String
  let program: String
  let libraries: String
  let processor: String

  init(_ configuration: RunConfiguration, trainer: Trainer, data: RunData) throws {
    self.configuration = configuration.trainingIdentity
    let (nonFinite, audit) = (configuration.nonFinite, configuration.audit)
    watching =
      "nonFinite: \(nonFinite.action), at most \(nonFinite.limit); audit.everySteps: \(audit.everySteps ?? -1)"
    model = trainer.objective.layout.allEntries.map { "\($0.name) \($0.shape)" }.joined(separator: ", ")
    self.data = data.training.digest()
    program = try Digest128(ofFile: "/proc/self/exe").description
    libraries = "\(ComputeLibrary.version), \(MPILibrary.version.split(separator: ",").first ?? "MPI")"
    processor = DoctorInputs.cpuKind.description
  }

  /// Refuses ranks that differ, before the first step.
  func requireEqual(over communicator: any Communicator) throws {
    // Each setting is a part of its own, so that the message names the one that differs.
    let parts =
      Self.settings(configuration) + [
        ("settings nonFinite and audit", watching), ("model", model), ("data", data), ("program", program),
        ("libraries", libraries),
        ("processor", processor),
      ]
    let differences = try compareFingerprints(
      parts.map { (name: $0.0, value: $0.1) }, over: communicator)
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
      let (before, now) = Self.firstDifference(Self.settings(state.identity), Self.settings(configuration))
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

  /// The settings of a configuration's text, by their whole names: `("optimizer.learningRate", "0.1")`.
  private static func settings(_ text: String) -> [(name: String, value: String)] {
    var section = ""
    return text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: ":", maxSplits: 1)
      let key = parts[0].drop { $0 == " " }
      let value = parts.count > 1 ? parts[1].drop { $0 == " " } : ""
      let isInSection = line.hasPrefix(" ")
      if !isInSection { section = String(key) }
      guard !value.isEmpty else { return nil }
      return ("setting " + (isInSection ? "\(section).\(key)" : String(key)), String(value))
    }
  }

  /// The first setting that differs, as it was and as it is.
  private static func firstDifference(
    _ before: [(name: String, value: String)], _ now: [(name: String, value: String)]
  ) -> (String, String) {
    func text(_ setting: (name: String, value: String)) -> String {
      "\(setting.name.dropFirst("setting ".count)): \(setting.value)"
    }
    for (old, new) in zip(before, now) where old != new { return (text(old), text(new)) }
    return ("\(before.count) settings", "\(now.count) settings")
  }
}
