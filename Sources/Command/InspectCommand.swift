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
      if digest {
        print(try SafetensorsFile(ModelFile.locate(path)).digest())
        return Ending.done
      }
      let listing = try CheckpointListing(ofRun: path)
      let location: String
      do { location = try ModelFile.locate(path) } catch {
        // Where not one is whole, it is all the more of interest what is wrong with each.
        if !listing.isEmpty { print(listing.text) }
        throw error
      }
      let file = try SafetensorsFile(location)
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
      if !listing.isEmpty { print(listing.text) }
      return Ending.done
    }
  }

  private func showLayers() throws {
    let configuration = try RunConfiguration.load(path, overrides: overrides)
    let form = SampleForm(try RunData(configuration))
    let table = try configuration.makeObjective(for: form).layerTable()
    print(LayerTableText(table, inputShape: form.inputShape).text)
  }
}
