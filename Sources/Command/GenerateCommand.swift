import ArgumentParser
import Foundation
import Lockstep

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Writes text with a trained language model.",
    discussion: "The same seed gives the same text.")

  @Argument(help: "A run's folder, a checkpoint's folder or a model file.")
  var model: String

  @Option(help: "What the text begins with.")
  var prompt = "\n"

  @Option(help: "Tokens to write: characters, where the model was trained on characters.")
  var length = 500

  @Option(help: "Above 1: bolder; below 1: safer; 0: always the likeliest token.")
  var temperature = 1.0

  @Option(help: "Chooses among so many of the likeliest tokens only.")
  var topK: Int?

  @Option(help: "Of the random choices.")
  var seed: UInt64 = 0

  func validate() throws {
    if length < 1 { throw ValidationError("--length must be at least 1, is \(length)") }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature must be at least 0, is \(temperature)")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k must be at least 1, is \(topK)") }
  }

  func run() throws {
    Ending.alone {
      let generator = try TextGenerator(TrainedModel(at: model))
      let sampler = try TokenSampler(temperature: temperature, topK: topK, seed: seed)
      let output = FileHandle.standardOutput
      try generator.generate(prompt: prompt, tokens: length, sampler: sampler) { output.write(Data($0)) }
      output.write(Data("\n".utf8))
      return Ending.done
    }
  }
}
