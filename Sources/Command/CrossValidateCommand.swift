import ArgumentParser
import Foundation
import Lockstep

struct CrossValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crossvalidate",
    abstract:
      "Trains a configuration on all folds of its data but one, for each in turn, and takes the mean.",
    discussion: """
      The training samples are dealt by chance (the configuration's seed) into K folds of equal size. For each fold a \
      group of ranks trains on the others and validates on it; what normalizes the samples comes from those that are \
      trained on. A text is cut into K blocks one behind the other. Each training is a run's folder, DIR/members/NNN, \
      and by itself: lockstep train CONFIG --set validation.folds=K --set validation.fold=I.
      At the end: mean and standard deviation over the folds, DIR/results.csv and DIR/results.json.

      Exit codes: 0 done, 1 a fold has failed, 2 wrong usage, configuration or data, or a fold could not be gone on \
      with, 75 stopped and saved.
      """)

  @Argument(help: "A YAML file or a preset; with --resume it may be left out.")
  var config: String?

  @Option(help: "The number of folds, at least 2.")
  var folds: Int?

  @Flag(help: "Deals the samples of every class evenly to the folds.")
  var stratified = false

  @Option(help: "Ranks that train a fold, exactly; left out: as many as there are for it.")
  var ranks: Int?

  @OptionGroup var options: MemberOptions

  func validate() throws {
    if let folds, !(2...10_000 ~= folds) {
      throw ValidationError("--folds must be 2 to 10000, is \(folds)")
    }
    if let ranks, ranks < 1 { throw ValidationError("--ranks must be at least 1, is \(ranks)") }
    if (config == nil) != (folds == nil) || config == nil && !options.resume {
      throw ValidationError(
        "Name a configuration and the folds, as in: lockstep crossvalidate digits --folds 5; or one to go on with: "
          + "lockstep crossvalidate --resume --out DIR")
    }
  }

  func run() throws {
    options.run(
      name: name,
      {
        try MemberRunner(
          folds: folds, isStratified: stratified, ranks: ranks, of: config,
          overrides: options.training.allOverrides,
          options: $0, in: $1)
      }, code: { failed, _ in failed > 0 ? Ending.failed : Ending.done })
  }

  var name: String { (MemberOptions.name(config) ?? "folds") + "-folds" }
}
