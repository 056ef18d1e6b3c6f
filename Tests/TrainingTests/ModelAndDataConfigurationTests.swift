import Datasets
import Layers
import TensorCore
import Testing
import Training

@Suite struct ModelConfigurationReading {
  @Test func everyKeyReachesItsOwnField() throws {
    var gpt = ModelConfiguration()
    gpt.name = .gpt
    (gpt.width, gpt.depth, gpt.heads, gpt.dropout) = (24, 3, 6, 0.25)
    gpt.tiesWeights = true
    gpt.initial = .xavierNormal
    #expect(
      try parsed(
        minimal + "model: {name: gpt, width: 24, depth: 3, heads: 6, dropout: 0.25, tiesWeights: true, "
          + "initial: xavierNormal}"
      ).model == gpt)

    var list = ModelConfiguration()
    list.name = .layers
    list.reconstructs = true
    var convolution = LayerConfiguration()
    convolution.kind = .convolution
    (convolution.channels, convolution.kernel, convolution.stride) = (6, 5, 2)
    (convolution.padding, convolution.dilation, convolution.groups) = (1, 3, 2)
    convolution.bias = false
    list.layers = [convolution]
    #expect(
      try parsed(
        minimal + "model: {reconstructs: true, layers: [{type: convolution, channels: 6, kernel: 5, "
          + "stride: 2, padding: 1, dilation: 3, groups: 2, bias: false}]}"
      ).model == list)
  }

  @Test func defaultsFollowTheModel() throws {
    func model(_ name: String) throws -> ModelConfiguration {
      try parsed(minimal + "model: {name: \(name)}").model
    }
    #expect(try model("mlp").hidden == [128])
    #expect(try model("autoencoder").hidden == [128, 32])
    #expect(try model("conv-autoencoder").hidden == [16, 32])
    #expect(try model("gpt").initial == .smallNormal)
    #expect(try model("char-lstm").initial == .pytorch)
    // What is given stays.
    #expect(try parsed(minimal + "model: {name: autoencoder, hidden: [9]}").model.hidden == [9])
    #expect(try parsed(minimal + "model: {name: gpt, initial: zeros}").model.initial == .zeros)
    // A table's columns are seldom of one scale; pixels are.
    #expect(try parsed("data: {name: csv, path: a, label: b}").data.normalization == .standard)
    #expect(
      try parsed("data: {name: csv, path: a, label: b, normalization: none}").data.normalization
        == .none)
    #expect(try parsed("data: {name: cifar10, path: a}").data.normalization == .unit)
  }

  @Test func aListOfLayersNamesItsModel() throws {
    let model = try parsed(minimal + "model: {layers: [{type: flatten}, {type: dense}]}").model
    #expect(model.name == .layers && model.layers.map(\.kind) == [.flatten, .dense])
  }

  @Test(arguments: [
    "model: {name: lenet}", "model: {name: resnet56, initial: heNormal}",
    "model: {name: vgg-small, dropout: 0.5}", "model: {name: char-rnn, width: 7, depth: 1, dropout: 0.1}",
    "model: {name: char-gru}", "model: {name: gpt, width: 12, heads: 3, depth: 1, tiesWeights: true}",
    "model: {name: autoencoder, hidden: [9, 3], activation: tanh, initial: zeros}",
    "model: {name: conv-autoencoder, hidden: [4], activation: silu}",
    "model: {layers: [{type: flatten}, {type: dense, bias: false}], reconstructs: true, initial: heUniform}",
    "model: {layers: [{type: convolution, channels: 4, kernel: 5, dilation: 2, groups: 2}, "
      + "{type: transposedConvolution, channels: 3, stride: 2, outputPadding: 1, padding: 1}, "
      + "{type: maxPooling, window: 3, stride: 2, padding: 1}, {type: averagePooling}, "
      + "{type: dropout, rate: 0.25}, {type: reshape, shape: [4, 9]}]}",
    "model: {layers: [{type: embedding, width: 6}, {type: embedding, vocabulary: 9}, "
      + "{type: lstm, hidden: 5, depth: 2, bidirectional: true, dropout: 0.1, result: lastStep}, "
      + "{type: attention, heads: 2}, {type: transformer, causal: true, dropout: 0.2}]}",
    "model: {layers: [{type: residual, layers: [{type: relu}, {type: residual, layers: [{type: silu}], "
      + "shortcut: [{type: dense, outputs: 7}]}]}]}",
    "data: {name: shapes, samples: 7, testSamples: 0, seed: 3}",
    "data: {name: built-in-text, characters: 2000, seed: 4, tokens: bpe, vocabulary: 300, context: 5, "
      + "stride: 3, fraction: 0.25}",
    "data: {name: text, path: \"a b\", tokenizer: tokenizer.json, tokens: bytes}",
    "data: {name: images, path: a, height: 24, width: 16, channels: 1, fit: crop}",
    "data: {name: csv, path: a, testPath: b, label: \"a: b\", weight: w, inputs: \"c, d\", header: false}",
    "data: {name: csv, path: a, values: \"c,d\", normalization: none}",
    "data: {name: npy, path: a, normalization: standard}", "data: {name: cifar100, path: a}",
    "data: {name: digits, augment: [{type: horizontalFlip, probability: 0.25}, {type: crop, padding: 2}, "
      + "{type: affine, rotation: 7, translation: 0.1, minimumScale: 0.9, maximumScale: 1.2}, "
      + "{type: colorJitter, brightness: 0.1, contrast: 0.2, saturation: 0.3}, {type: cutout, size: 3}, "
      + "{type: mixup, alpha: 0.7}]}",
    "loss: crossEntropy\nlabelSmoothing: 0.125", "loss: huber\nhuberDelta: 0.5",
    "loss: binaryCrossEntropy",
  ])
  func whatIsReadIsWrittenAndReadsBack(text: String) throws {
    let read = try parsed(text.contains("data:") ? text : minimal + text)
    #expect(read != RunConfiguration())
    let again = try RunConfiguration.parse(read.yaml, file: "config.yaml")
    #expect(again == read, "\(read.yaml)")
    #expect(again.yaml == read.yaml)
    #expect(again.trainingIdentity == read.trainingIdentity)
    try read.validate()
  }

  @Test(arguments: ConfigurationPreset.all.map(\.name))
  func everyPresetReadsBack(name: String) throws {
    let preset = try #require(ConfigurationPreset.named(name))
    let read = try parsed(preset.yaml, "data.path=\(name == "mnist" ? "folder" : "null")")
    #expect(try RunConfiguration.parse(read.yaml, file: "config.yaml") == read)
  }

  @Test(arguments: [
    ("model: {name: lenet, hidden: [3]}", "mlp, autoencoder, conv-autoencoder"),
    ("model: {name: mlp, heads: 2}", "model.name gpt"),
    ("model: {name: mlp, width: 2}", "char-rnn, char-lstm, char-gru, gpt"),
    ("model: {name: char-gru, tiesWeights: true}", "model.name gpt"),
    ("model: {name: resnet20, dropout: 0.1}", "vgg-small"),
    ("model: {name: vgg-small, initial: zeros}", "mlp, lenet"),
    ("model: {name: gpt, reconstructs: true}", "model.name layers"),
    ("model: {name: mlp, layers: [{type: relu}]}", "model.name layers"),
    ("model: {name: gpt, width: 30}", "a divisor of the width, 30"),
    ("model: {name: layers}", "at least one layer"), ("model: {layers: []}", "at least one layer"),
    ("model: {name: autoencoder, hidden: []}", "from 1 to 1000 values"),
    ("model: {layers: [{type: denze}]}", "Did you mean dense?"),
    ("model: {layers: [{outputs: 3}]}", "model.layers.type"),
    ("model: {layers: [dense]}", "Write it as {key: value}"),
    ("model: {layers: {type: dense}}", "a list of sections"),
    ("model: {layers: [{type: dense, kernel: 3}]}", "Known here: type, outputs, bias"),
    ("model: {layers: [{type: convolution, outputPadding: 1}]}", "\"outputPadding\""),
    ("model: {layers: [{type: transposedConvolution, dilation: 2}]}", "\"dilation\""),
    (
      "model: {layers: [{type: transposedConvolution, stride: 2, outputPadding: 2}]}",
      "less than the stride, 2"
    ),
    ("model: {layers: [{type: maxPooling, window: 3, padding: 2}]}", "at most half the window, 1"),
    ("model: {layers: [{type: reshape}]}", "from 1 to 6 values"),
    ("model: {layers: [{type: reshape, shape: [1048576, 1048576, 1048576, 1048576]}]}", "smaller"),
    ("model: {layers: [{type: lstm, result: last}]}", "allSteps, lastStep"),
    ("model: {layers: [{type: attention, dropout: 0.1}]}", "\"dropout\""),
    ("model: {layers: [{type: dropout, rate: 1}]}", "below 1"),
    ("model: {layers: [{type: residual, layers: [{type: convolution, kernal: 3}]}]}", "Did you mean"),
    ("model: {name: gptt}", "Did you mean gpt?"),
    ("labelSmoothing: 0.1\nloss: huber", "loss crossEntropy"), ("huberDelta: 2", "loss huber"),
  ])
  func whatBelongsElsewhereIsRefused(text: String, says: String) throws {
    let error = try refusal(minimal + text)
    #expect(error.diagnosis.place == "run.yaml:2")
    #expect(error.description.contains(says), "\(error)")
  }

  @Test(arguments: [
    ("{name: shapes, path: a}", "data.name idx, cifar10, cifar100, images, csv, npy, text"),
    ("{name: cifar10, path: a, classes: 3}", "data.name idx"), ("{name: cifar10}", "CIFAR's binary files"),
    ("{name: idx, path: a, height: 3}", "data.name images"),
    ("{name: images, path: a, channels: 2}", "1 for grey or 3 for colours"),
    ("{name: csv, path: a}", "neither"), ("{name: csv, path: a, label: b, values: c}", "both"),
    ("{name: csv, path: a, label: b, augment: [{type: crop}]}", "digits, shapes, idx"),
    ("{name: csv, path: a, label: b, context: 3}", "data.name built-in-text, text"),
    ("{name: built-in-text, path: a}", "data.name idx"),
    ("{name: built-in-text, normalization: unit}", "digits, shapes"),
    ("{name: text, path: a, samples: 3}", "digits, shapes"),
    ("{name: text, path: a, characters: 3000}", "built-in-text"),
    ("{name: text, path: a, fraction: 0}", "above 0"),
    ("{name: text, path: a, tokens: bytes, vocabulary: 300}", "data.tokens bpe"),
    ("{name: text, path: a, tokens: bpe, vocabulary: 100}", "from 256"),
    ("{name: digits, augment: [{type: flip}]}", "horizontalFlip, crop"),
    ("{name: digits, augment: [{padding: 3}]}", "data.augment.type"),
    ("{name: digits, augment: [{type: crop, size: 3}]}", "Known here: type, padding"),
    ("{name: digits, augment: [{type: affine, minimumScale: 2}]}", "at least minimumScale, 2.0"),
    ("{name: digits, augment: crop}", "a list of sections"),
  ])
  func dataKeysThatBelongElsewhereAreRefused(section: String, says: String) throws {
    let error = try refusal("data: " + section)
    #expect(error.diagnosis.place == "run.yaml:1")
    #expect(error.description.contains(says), "\(error)")
  }

  @Test func textHoldsOutItsOwnEnd() throws {
    let error = try refusal("data: {name: built-in-text}\nvalidation: {fraction: 0.1}")
    #expect(error.diagnosis.place == "run.yaml:2" && error.description.contains("data.fraction"))
  }

  @Test(arguments: [
    "model={name: lenet}", "model.dropout=0.1", "data.augment=[{type: crop}]", "labelSmoothing=0.1",
    "model.layers=[{type: flatten}, {type: dense}]", "data={name: shapes}",
  ])
  func whatChangesTheWeightsChangesTheIdentity(override: String) throws {
    #expect(try parsed(minimal, override).trainingIdentity != RunConfiguration().trainingIdentity)
  }

  @Test func filesMayMoveAndTestsMayChange() throws {
    let here = try parsed("data: {name: csv, path: a, label: c}").trainingIdentity
    #expect(try parsed("data: {name: csv, path: b, testPath: d, label: c}").trainingIdentity == here)
    #expect(try parsed("data: {name: csv, path: a, label: d}").trainingIdentity != here)
  }
}

@Suite struct ModelsForData {
  private func objective(_ model: String, _ form: SampleForm, data: String = "digits") throws -> Objective {
    try parsed("data: {name: \(data)}\nmodel: \(model)\nloss: meanSquaredError").makeObjective(for: form)
  }

  private func refusal(_ model: String, _ form: SampleForm, data: String = "digits") throws -> TrainingError {
    try #require(
      throws: TrainingError.self, "\(model)", performing: { try objective(model, form, data: data) })
  }

  private let image = SampleForm(inputShape: [3, 8, 8], target: .classes(10))

  @Test func layersTakeWhatTheDataSay() throws {
    let layers = "{layers: [{type: convolution, channels: 4}, {type: flatten}, {type: dense}]}"
    #expect(
      try objective(layers, image).parameters.map(\.shape.dimensions) == [
        [4, 3, 3, 3], [4], [10, 144], [10],
      ])
    let text = SampleForm(inputShape: [6], target: .classes(9, perSample: 6))
    let parameters = try objective(
      "{layers: [{type: embedding, width: 5}, {type: gru, hidden: 2}, {type: dense}]}", text,
      data: "built-in-text"
    ).parameters
    #expect(parameters.first?.shape.dimensions == [9, 5])
    #expect(parameters.last?.shape.dimensions == [9])
  }

  @Test func aModelThatReconstructsHasItsInputAsTarget() throws {
    for model in [
      "{name: autoencoder, hidden: [5]}", "{name: conv-autoencoder, hidden: [2]}",
      "{reconstructs: true, layers: [{type: convolution, channels: 3, padding: 1}]}",
    ] { #expect(try objective(model, image).target == .input(192), "\(model)") }
    #expect(
      try objective("{name: lenet}", SampleForm(inputShape: [1, 28, 28], target: .classes(4))).target
        == .classes(4))
  }

  @Test func whatDoesNotFitIsToldByModelAndLayer() throws {
    let small = SampleForm(inputShape: [3, 2, 2], target: .classes(10))
    let lenet = try refusal("{name: lenet}", small)
    #expect(lenet.diagnosis.place == "model.name lenet, layer 0" && lenet.diagnosis.found.contains("2×2"))
    #expect(
      try refusal("{layers: [{type: flatten}, {type: lstm}]}", image).diagnosis.place
        == "model.name layers, layer 1")
    #expect(try refusal("{layers: [{type: dense}]}", image).diagnosis.remedy.contains("Flatten"))
    #expect(
      try refusal("{layers: [{type: flatten}, {type: dense, outputs: 9}]}", image).diagnosis.remedy.contains(
        "number of classes"))
    let many = [String](repeating: "1", count: 80).joined(separator: ", ")
    #expect(
      try refusal("{name: conv-autoencoder, hidden: [\(many)]}", image).diagnosis.expected.contains(
        "80 times"))
    #expect(
      try refusal("{name: conv-autoencoder, hidden: [2, 2, 2, 2]}", image).diagnosis.expected.contains(
        "4 times"))
  }

  @Test func tokensAreReadByAnEmbeddingThatHasThemAll() throws {
    let text = SampleForm(inputShape: [6], target: .classes(9, perSample: 6))
    let images = try refusal("{layers: [{type: embedding}, {type: flatten}, {type: dense}]}", image)
    #expect(images.diagnosis.expected.contains("text"))
    let few = "{layers: [{type: embedding, vocabulary: 8}, {type: dense}]}"
    #expect(try refusal(few, text, data: "built-in-text").diagnosis.expected.contains("9 tokens"))
    let inner = "{layers: [{type: embedding}, {type: residual, layers: [{type: embedding}]}]}"
    #expect(try refusal(inner, text, data: "built-in-text").diagnosis.expected.contains("first layer"))
    #expect(try refusal("{name: lenet}", text, data: "built-in-text").diagnosis.remedy.contains("gpt"))
    #expect(try refusal("{name: gpt}", image).diagnosis.remedy.contains("built-in-text"))
  }
}
