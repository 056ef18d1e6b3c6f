/// A configuration that comes with the program, under a name: `lockstep train digits`.
public struct ConfigurationPreset: Sendable, Equatable {
  public let name: String
  /// One line about it.
  public let summary: String
  /// The configuration file, with comments; what `--print-config` shows.
  public let yaml: String

  public static let all = [digits, mnist]

  public static func named(_ name: String) -> ConfigurationPreset? { all.first { $0.name == name } }

  public static let digits = ConfigurationPreset(
    name: "digits",
    summary: "a small network on digits that the program draws itself; nothing to download",
    yaml: """
      # A small network on digits that the program draws itself; nothing to download.
      model:
        name: mlp              # fully connected layers
        hidden: [128]          # widths of the hidden layers; [] is a linear model
        activation: relu       # or tanh, sigmoid
      data:
        name: digits           # or idx: MNIST's files, with path: FOLDER
        samples: 20000         # training samples to draw
        testSamples: 5000      # and samples to test on
        normalization: unit    # pixels to 0...1; or none, standard
      \(rest)
      """)

  public static let mnist = ConfigurationPreset(
    name: "mnist",
    summary: "a small network on MNIST's files (--set data.path=FOLDER)",
    yaml: """
      # A small network on MNIST, or anything in its file format (--set data.path=FOLDER).
      model:
        name: mlp              # fully connected layers
        hidden: [128]          # widths of the hidden layers; [] is a linear model
        activation: relu       # or tanh, sigmoid
      data:
        name: idx              # the four files of MNIST, gzipped or not
        path:                  # the folder they are in
        normalization: unit    # pixels to 0...1; or none, standard
      \(rest)
      """)

  private static let rest = """
    loss: crossEntropy       # or meanSquaredError
    optimizer:
      name: sgd              # or adam, adamW
      learningRate: 0.1
      momentum: 0.9
    batch: 128               # samples of one step, over all ranks
    shards: 8                # parts of a batch; the same number gives the same bits on any ranks
    epochs: 5                # passes over the training samples
    seed: 0                  # of initial values and order; another seed is another run
    validation:
      everyEpochs: 1         # try the model on the test samples after every epoch
    checkpoint:
      everyEpochs: 1         # save after every epoch
      keep: 3                # the newest so many

    """
}
