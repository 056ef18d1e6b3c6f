import ArgumentParser
import Foundation
import Lockstep

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Tries a trained model on the samples of its configuration.")

  @Argument(help: "A run's folder, a checkpoint's folder or a model file.")
  var model: String

  @Option(help: "train or test.")
  var split = Split.test

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "Sets a value of the model's configuration, as data.path=FOLDER; may be repeated.")
  var overrides: [String] = []

  @Option(help: "Threads of each rank; left out: as many as it was trained with.")
  var threads: Int?

  func validate() throws { try ThreadsOption.check(threads) }

  func run() throws {
    Ending.distributed { world in
      try Ending.agreed(Ending.wrongUsage) {
        let trained = try together(world.communicator) {
          try TrainedModel(at: model, overrides: overrides + ThreadsOption.overrides(threads))
        }
        let data = try trained.samples(split, over: world.communicator)
        let evaluation = try trained.evaluator(over: world.communicator).evaluate(data, confusion: true)
        guard world.rank == 0 else { return }
        print("\(split.rawValue)  \(data.count) samples, model of step \(trained.description.step)")
        print("loss      \(String(format: "%.4f", evaluation.loss))")
        if let accuracy = evaluation.accuracy { print("accuracy  \(percent(accuracy))") }
        if let confusion = evaluation.confusion {
          print("\n" + confusion.text(names: trained.description.classNames))
        }
      }
      return Ending.done
    }
  }
}

extension Split: ExpressibleByArgument {}

func percent(_ share: Double) -> String { String(format: "%.2f %%", 100 * share) }
