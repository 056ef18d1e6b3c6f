import ArgumentParser
import Foundation
import Lockstep

struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Trains a configuration with different settings inside one job, and compares the results.",
    discussion: """
      SWEEP is a YAML file:

        base: digits           # a preset, or a file beside this one
        set: {epochs: 3}       # for all
        grid:                  # every combination
          optimizer.learningRate: [0.03, 0.1]
          model.hidden: [[64], [128, 64]]
        random:                # draws, each with all of the grid
          trials: 4
          seed: 0
          parameters:
            batch: {choice: [64, 128]}
            optimizer.momentum: {uniform: [0, 0.95]}
        compare: auto          # accuracy where there is one, or loss
        ranks: 2               # of each; left out: as many as there are for it

      Distributions: uniform and logUniform (two bounds), integer (two bounds, both included), choice (values). \
      The ranks are split into groups, of exactly so many where ranks says so; a group that has finished one takes the \
      next. Each is trained to the same bits as by itself (with averaging allreduce or periodic, on so many ranks), in \
      a run's folder of its own, DIR/members/NNN, for inspect, evaluate and predict. One that fails \
      is noted, and the others go on. At the end: a table, DIR/results.csv and DIR/results.json.

      Exit codes: 0 settled, 1 all have failed, 2 wrong usage or configuration, or some could not be gone on with (as on \
      changed data), 75 stopped and saved.
      """)

  @Argument(help: "The sweep's file; with --resume it may be left out.")
  var sweep: String?

  @OptionGroup var options: MemberOptions

  func validate() throws {
    if sweep == nil, !(options.resume && options.folder != nil) {
      throw ValidationError(
        "Name a sweep's file, as in: lockstep sweep search.yaml; or one to go on with: "
          + "lockstep sweep --resume --out DIR")
    }
  }

  func run() throws {
    options.run(
      name: name,
      { try MemberRunner(sweep: sweep, overrides: options.training.allOverrides, options: $0, in: $1) },
      code: { $0 == $1 ? Ending.failed : Ending.done })
  }

  var name: String { MemberOptions.name(sweep) ?? "sweep" }
}
