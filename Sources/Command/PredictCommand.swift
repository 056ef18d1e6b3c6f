import ArgumentParser
import Foundation
import Lockstep

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Prints the class that a trained model gives to each image of a file.",
    discussion:
      "One line an image: its number from 0, the class, and the class's probability, set apart by tabs.")

  @Argument(help: "A run's folder, a checkpoint's folder or a model file.")
  var model: String

  @Argument(help: "Images in an IDX file, gzipped or not.")
  var images: String

  @Option(help: "At most so many images, from the first.")
  var limit: Int?

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1, is \(limit)") }
  }

  func run() throws {
    Ending.alone {
      let trained = try TrainedModel(at: model)
      let data = try trained.images(at: images)
      let evaluator = trained.evaluator(over: InProcessCommunicator())
      let count = min(limit ?? data.count, data.count)
      for start in stride(from: 0, to: count, by: 1000) {
        let samples = Array(start..<min(start + 1000, count))
        for (sample, output) in zip(samples, try evaluator.predict(data, samples: samples)) {
          let best = output.withUnsafeBufferPointer(Evaluator.largest)
          print("\(sample)\t\(trained.description.classNames[best])\t\(String(format: "%.4f", output[best]))")
        }
      }
      return Ending.done
    }
  }
}
