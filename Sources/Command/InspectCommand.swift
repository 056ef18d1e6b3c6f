import ArgumentParser
import Foundation
import Lockstep

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract:
      "Shows what a run, a checkpoint or a safetensors file holds, or what a configuration's model is.",
    discussion: """
      Of a configuration: each layer with its output's shape, its parameters, the multiplications and additions \
      of one sample's forward pass, and the memory of its results.
      """)

  @Argument(help: "A run's folder, a checkpoint's folder, a safetensors file, a YAML file or a preset.")
  var path: String

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "Sets one value of the configuration; may be repeated.")
  var overrides: [String] = []

  @Flag(help: "Prints only the digest of all weights: one line.")
  var digest = false

  private var isConfiguration: Bool {
    let isPreset =
      ConfigurationPreset.named(path) != nil && !FileManager.default.fileExists(atPath: path)
    return isPreset || path.hasSuffix(".yaml") || path.hasSuffix(".yml")
  }

  func run() throws {
    Ending.alone {
      if isConfiguration {
        try showLayers()
        return Ending.done
      }
      let location = try ModelFile.locate(path)
      let file = try SafetensorsFile(location)
      if digest {
        print(try file.digest())
        return Ending.done
      }
      print(location)
      // A name may be as long as a file, and hold anything.
      let names = file.tensors.map { Diagnosis.readable($0.name) }
      let width = min(names.map(\.count).max() ?? 0, 80)
      var total = 0
      for (tensor, fullName) in zip(file.tensors, names) {
        let name = fullName + String(repeating: " ", count: max(0, width - fullName.count))
        print("  \(name)  \(tensor.elementType.rawValue)  \(tensor.shape)")
        total += tensor.shape.reduce(1, *)
      }
      print("  \(total) values in \(file.tensors.count) tensors, digest \(try file.digest())")
      if let step = file.metadata["lockstep.step"] {
        print("  saved after step \(Diagnosis.readable(step))")
      }
      try listCheckpoints()
      return Ending.done
    }
  }

  private func showLayers() throws {
    let configuration = try RunConfiguration.load(path, overrides: overrides)
    let form = SampleForm(try RunData(configuration))
    let table = try configuration.makeObjective(for: form).layerTable()
    print(LayerTableText(table, inputShape: form.inputShape).text)
  }

  /// Of a run's folder: each checkpoint, and whether it is whole.
  private func listCheckpoints() throws {
    let store = CheckpointStore(reading: path + "/checkpoints")
    let steps = try store.list()
    guard !steps.isEmpty else { return }
    print("checkpoints")
    for step in steps {
      do {
        let checkpoint = try store.verify(step)
        let bytes = checkpoint.files.reduce(0) { $0 + $1.size }
        print("  step-\(step)  whole, \(bytes) bytes")
      } catch {
        print("  step-\(step)  damaged: \(error)")
      }
    }
  }
}
