/// A configuration that comes with the program, under a name: `lockstep train digits`.
public struct ConfigurationPreset: Sendable, Equatable {
  public let name: String
  /// One line about it.
  public let summary: String
  /// The configuration file, with comments; what `--print-config` shows.
  public let yaml: String

  public static let all = [digits, mnist, lenet, resnet20, lstm, gpt, autoencoder]

  public static func named(_ name: String) -> ConfigurationPreset? { all.first { $0.name == name } }

  public static let digits = ConfigurationPreset(
    name: "digits",
    summary: "a small network on digits that the program draws itself; nothing to download",
    yaml: """
      # A small network on digits that the program draws itself; nothing to download.
      model:
        name: mlp              # fully connected layers
        hidden: [128]          # widths of the hidden layers; [] is a linear model
        activation: relu       # or tanh, sigmoid, gelu, …
      data:
        name: digits           # or idx: MNIST's files, with path: FOLDER
        samples: 20000         # training samples to draw
        testSamples: 5000      # and samples to test on
        normalization: unit    # pixels to 0...1; or none, standard
      \(smallNetwork)
      """)

  public static let mnist = ConfigurationPreset(
    name: "mnist",
    summary: "a small network on MNIST's files (--set data.path=FOLDER)",
    yaml: """
      # A small network on MNIST, or anything in its file format (--set data.path=FOLDER).
      model:
        name: mlp              # fully connected layers
        hidden: [128]          # widths of the hidden layers; [] is a linear model
        activation: relu       # or tanh, sigmoid, gelu, …
      data:
        name: idx              # the four files of MNIST, gzipped or not
        path:                  # the folder they are in
        normalization: unit    # pixels to 0...1; or none, standard
      \(smallNetwork)
      """)

  public static let lenet = ConfigurationPreset(
    name: "lenet",
    summary:
      "a convolutional network on the built-in digits (MNIST: --set data.name=idx --set data.path=FOLDER)",
    yaml: """
      # Two convolutions and two dense layers on digits: built in, or MNIST's with
      # --set data.name=idx --set data.path=FOLDER
      model:
        name: lenet
      data:
        name: digits
      loss: crossEntropy
      optimizer:
        name: adam
        learningRate: 0.001
      batch: 128               # samples of one step, over all ranks
      shards: 4                # parts of a batch; the same number gives the same bits on any ranks
      epochs: 3
      seed: 0

      """)

  public static let resnet20 = ConfigurationPreset(
    name: "resnet20",
    summary: "a residual network on coloured shapes that the program draws itself",
    yaml: """
      # ResNet-20 on coloured shapes that the program draws itself; CIFAR-10 with
      # --set data.name=cifar10 --set data.path=FOLDER
      model:
        name: resnet20
      data:
        name: shapes
        samples: 8000
        testSamples: 2000
        normalization: standard
        augment: [{type: horizontalFlip}, {type: crop, padding: 2}]
      loss: crossEntropy
      optimizer:
        name: sgd
        learningRate: 0.02
        momentum: 0.9
        weightDecay: 0.0005
      schedule:
        name: cosine
      batch: 64
      shards: 4                # batch normalization sees a shard at a time
      lastBatch: drop
      epochs: 6
      seed: 0

      """)

  public static let lstm = ConfigurationPreset(
    name: "lstm",
    summary: "a recurrent language model on text that the program writes itself",
    yaml: """
      # A character model from long short-term memory, on text that the program writes itself;
      # on your own with --set data.name=text --set data.path=FILE
      model:
        name: char-lstm
        width: 256
        depth: 2
      data:
        name: built-in-text
        context: 64
      loss: crossEntropy
      optimizer:
        name: adamW
        learningRate: 0.002
        beta2: 0.99
        weightDecay: 0
        clipNorm: 1
      schedule:
        name: cosine
        warmupSteps: 50
        minimum: 0.0002
      batch: 32
      shards: 2
      steps: 1000
      seed: 0

      """)

  public static let gpt = ConfigurationPreset(
    name: "gpt",
    summary: "a small transformer on text that the program writes itself",
    yaml: """
      # A small GPT that learns the next character, on text that the program writes itself;
      # on your own with --set data.name=text --set data.path=FILE
      model:
        name: gpt
        width: 128
        depth: 4               # blocks
        heads: 4
      data:
        name: built-in-text
        tokens: characters     # or bytes, bpe
        context: 64
      loss: crossEntropy
      optimizer:
        name: adamW
        learningRate: 0.001
        beta2: 0.99
        weightDecay: 0.1
        clipNorm: 1
      schedule:
        name: cosine
        warmupSteps: 100
        minimum: 0.0001
      batch: 12                # windows of a step, over all ranks
      shards: 4
      steps: 2000
      seed: 0

      """)

  public static let autoencoder = ConfigurationPreset(
    name: "autoencoder",
    summary: "digits through a code of 32 numbers and back",
    yaml: """
      # Dense layers that narrow to a code and give back their input, on digits that the program draws.
      model:
        name: autoencoder
        hidden: [128, 32]      # of the encoder; the decoder has them in reverse
      data:
        name: digits
      loss: meanSquaredError   # or binaryCrossEntropy
      optimizer:
        name: adam
        learningRate: 0.001
      batch: 128
      shards: 8
      epochs: 5
      seed: 0

      """)

  private static let smallNetwork = """
    loss: crossEntropy       # or meanSquaredError
    optimizer:
      name: sgd              # or adam, adamW, …
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
