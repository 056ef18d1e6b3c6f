import ArgumentParser
import Foundation
import Lockstep

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict", abstract: "Prints what a trained model says of images or of a table's rows.",
    discussion: """
      One line a sample, its parts set apart by tabs: its number or file, then the class and the class's \
      probability, or the values that the model predicts.
      """)

  @Argument(help: "A run's folder, a checkpoint's folder or a model file.")
  var model: String

  @Argument(help: "An image (PNG, JPEG), a folder of images, a CSV file, or images in an IDX file.")
  var samples: String

  @Option(help: "At most so many samples, from the first.")
  var limit: Int?

  @Option(help: "Threads; left out: as many as it was trained with.")
  var threads: Int?

  func validate() throws {
    try ThreadsOption.check(threads)
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1, is \(limit)") }
  }

  func run() throws {
    Ending.alone {
      let trained = try TrainedModel(at: model, overrides: ThreadsOption.overrides(threads))
      let (data, names) = try trained.predictionSamples(at: samples)
      let evaluator = trained.evaluator(over: InProcessCommunicator())
      let classes = trained.description.classNames
      let count = min(limit ?? data.count, data.count)
      for start in stride(from: 0, to: count, by: 1000) {
        let part = Array(start..<min(start + 1000, count))
        for (sample, output) in zip(part, try evaluator.predict(data, samples: part)) {
          if trained.predictsClasses {
            let best = output.withUnsafeBufferPointer(Evaluator.largest)
            print("\(names[sample])\t\(classes[best])\t\(String(format: "%.4f", output[best]))")
          } else {
            print("\(names[sample])\t" + output.map { "\($0)" }.joined(separator: "\t"))
          }
        }
      }
      return Ending.done
    }
  }
}
