// Models, data and texts that do not belong together: one message, exit code 2, nothing created or changed.

import Foundation
import Testing

@Suite struct WrongModelsAndDataTests {
  /// What is set beyond an empty file and a tiny run, and what the message must say.
  struct Mistake: CustomTestStringConvertible, Sendable {
    let values: [String]
    let says: [String]

    init(_ values: String..., says: String...) { (self.values, self.says) = (values, says) }

    var testDescription: String { values.joined(separator: " ") }
  }

  private static let digits = "data={name: digits, samples: 61, testSamples: 10}"
  private static let text = "data={name: built-in-text, characters: 3000, context: 6}"

  static let mistakes: [Mistake] = [
    // Shapes that a model cannot have.
    Mistake(
      "data={name: npy, path: tiny}", "model.name=lenet", says: "model.name lenet, layer 0", "3×3", "2×2"),
    Mistake(
      "data={name: npy, path: tiny}", "model.name=vgg-small", says: "model.name vgg-small, layer", "1×1"),
    Mistake(
      digits, "model.name=conv-autoencoder", "model.hidden=[2, 2, 2]", "loss=huber", says: "halved 3 times"),
    Mistake(digits, "model.layers=[{type: convolution, kernel: 40}]", says: "layer 0", "40×40", "28×28"),
    Mistake(digits, "model.layers=[{type: maxPooling, window: 40}]", says: "layer 0", "40×40"),
    Mistake(digits, "model.layers=[{type: flatten}, {type: convolution}]", says: "layer 1", "images"),
    Mistake(digits, "model.layers=[{type: dense}]", says: "10 outputs", "280", "Flatten"),
    Mistake(
      digits, "model.layers=[{type: flatten}, {type: dense, outputs: 7}]", says: "10 outputs", "found 7"),
    Mistake(
      digits, "model.layers=[{type: reshape, shape: [28, 28]}, {type: attention, heads: 5}]",
      says: "layer 1", "5 heads"),
    Mistake(
      digits, "model.layers=[{type: residual, layers: [{type: convolution}]}]", says: "layer 0", "16, 26, 26"),
    Mistake(digits, "model.hidden=[1000000, 1000000]", says: "memory", "1000796000010 parameters"),
    // A shard of one sample has no variance.
    Mistake(
      digits, "model.layers=[{type: flatten}, {type: dense}, {type: batchNormalization}]",
      says: "layer 2", "one: a shard of 1 sample", "lastBatch: drop"),
    // Text and images.
    Mistake(digits, "model.name=gpt", says: "model.name gpt", "text", "1×28×28", "built-in-text"),
    Mistake(text, "model.name=lenet", says: "images", "char-lstm"),
    Mistake(text, "model.name=mlp", says: "images or tables", "gpt"),
    Mistake(digits, "model.layers=[{type: embedding}]", says: "text, for an embedding"),
    Mistake(
      text, "model.layers=[{type: embedding, vocabulary: 3}, {type: dense}]", says: "a vocabulary of at least"
    ),
    Mistake(text, "model={name: gpt, width: 30, heads: 4}", says: "a divisor of the width, 30", "found 4"),
    Mistake(text, "model.name=gpt", "data.context=2000", says: "more than 4000 tokens", "data.context"),
    // Losses.
    Mistake(digits, "model.name=autoencoder", says: "loss", "crossEntropy", "loss=meanSquaredError"),
    Mistake(
      digits, "model.name=autoencoder", "loss=huber", "earlyStopping={patience: 2, on: accuracy}",
      says: "earlyStopping.on", "on=loss"),
    // Augmentations.
    Mistake(digits, "data.augment=[{type: crop, padding: 40}]", says: "augmentation crop", "28", "40"),
    Mistake(digits, "data.augment=[{type: crop}, {type: crop}]", says: "crop twice"),
    Mistake(digits, "data.augment=[{type: colorJitter, saturation: 0.1}]", says: "three channels"),
    Mistake(
      "data={name: csv, path: table.csv, label: species, augment: [{type: crop}]}", says: "data.augment"),
    // Tables.
    Mistake("data={name: csv, path: table.csv, label: kind}", says: "'kind'", "a, b, c, species"),
    Mistake("data={name: csv, path: table.csv, values: species}", "loss=huber", says: "row 2", "'cat'"),
    Mistake("data={name: csv, path: table.csv, values: a, inputs: b}", says: "loss", "meanSquaredError"),
    Mistake("data={name: csv, path: table.csv, label: species}", "model.name=lenet", says: "samples of 3"),
    Mistake("data={name: npy, path: images}", says: "train_inputs.npy"),
    // Images.
    Mistake("data={name: images, path: damaged}", says: "damaged/green/1.jpg", "JPEG", "damaged"),
    Mistake("data={name: images, path: unreadable}", says: "unreadable/red/3.png", "No such file"),
    Mistake("data={name: images, path: images/red}", says: "at least two classes"),
    Mistake("data={name: cifar10, path: images}", says: "data_batch_1.bin"),
    // Texts.
    Mistake("data={name: text, path: nowhere}", "model.name=gpt", says: "nowhere", "No such file"),
    Mistake(
      "data={name: text, path: images/red/1.jpg}", "model.name=gpt", says: "UTF-8", "data.tokens=bytes"),
    Mistake(
      "data={name: text, path: words.txt, tokenizer: table.csv}", "model.name=gpt",
      says: "table.csv", "tokenizer.json"),
    // Schedules.
    Mistake(digits, "schedule.totalSteps=5", says: "schedule.name cosine, polynomial, oneCycle"),
    Mistake(digits, "schedule={name: cosine, warmupSteps: 7}", says: "warm-up shorter", "3 steps", "7 steps"),
    Mistake(digits, "schedule={name: polynomial, warmupEpochs: 1}", says: "schedule.warmupEpochs", "6 steps"),
    Mistake(digits, "data.testSamples=0", "schedule.name=plateau", says: "validation.fraction=0.1"),
    Mistake(digits, "optimizer.groups=[{match: nothing}]", says: "match nothing", "2.bias"),
  ]

  private static func place() throws -> Workplace {
    let place = try Workplace()
    try place.write("", to: "empty.yaml")
    try place.writeTable(to: "table.csv")
    try place.writeArrays(to: "tiny", size: 2)
    try place.writeText(to: "words.txt")
    for folder in ["images", "damaged", "unreadable"] { try place.writeImages(to: folder, each: 4) }
    try place.write(Array(place.image(1, 1, isPNG: false).dropLast(40)), to: "damaged/green/1.jpg")
    try FileManager.default.createSymbolicLink(
      atPath: place.file("unreadable/red/3.png"), withDestinationPath: "nowhere.png")
    return place
  }

  private func refuse(_ arguments: [String], in place: Workplace, saying parts: [String]) throws {
    let before = place.contents()
    let result = try place.lockstep(arguments)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.messages.count == 1, "\(result)")
    #expect(result.standardError.split(separator: "\n").count == 1, "one line: \(result)")
    #expect(result.standardOutput.isEmpty, "\(result)")
    for part in parts { #expect(result.standardError.contains(part), "\(part)?\n\(result)") }
    #expect(place.contents() == before, "files changed\n\(result)")
  }

  @Test func oneMessageSaysWhatIsWrong() throws {
    let place = try Self.place()
    for mistake in Self.mistakes {
      try refuse(tinyRun("run", mistake.values), in: place, saying: mistake.says)
    }
  }

  @Test func severalRanksSayItOnce() throws {
    let place = try Self.place()
    for values in [["data={name: npy, path: tiny}", "model.name=lenet"], [Self.digits, "model.name=gpt"]] {
      let result = try place.lockstep(tinyRun("run", values), ranks: 2)
      #expect(result.exitCode == 2 && result.messages.count == 1, "\(result)")
    }
  }

  @Test func aModelIsUsedForWhatItWasTrainedFor() throws {
    let place = try Self.place()
    let runs = [
      ("drawn", [Self.digits]),
      ("gpt", ["data={name: text, path: words.txt, context: 8}", "model={name: gpt, width: 8}"]),
      ("table", ["data={name: csv, path: table.csv, label: species}"]),
      (
        "ahead",
        [
          Self.text,
          "model.layers=[{type: embedding}, {type: rnn, hidden: 4, bidirectional: true}, {type: dense}]",
        ]
      ),
    ]
    for (name, values) in runs {
      let result = try place.lockstep(tinyRun(name, values))
      #expect(result.exitCode == 0, "\(result)")
    }
    try place.write("漢字 and more " + String(repeating: "the dog\n", count: 40), to: "other.txt")
    try place.write("a,b\n1,2\n", to: "few.csv")
    try place.write(idx([2, 8], [UInt8](repeating: 1, count: 16)), to: "tokens")
    try place.writeDigits(to: "letters", training: 20, test: 20)
    try place.write("words only", to: "folder/words.txt")

    for (arguments, says) in [
      (["generate", "drawn"], ["a model of text", "trained on digits"]),
      (["generate", "ahead"], ["looks ahead", "bidirectional"]),
      (["generate", "gpt", "--prompt", "the_dog"], ["the prompt, line 1, column 4", "U+005F"]),
      (["generate", "gpt", "--prompt", "漢"], ["the prompt, line 1, column 1", "U+6F22"]),
      (["evaluate", "gpt"] + settings("data.path=other.txt"), ["other.txt, line 1, column 1", "U+6F22"]),
      (["predict", "gpt", "tokens"], ["trained on text", "lockstep generate"]),
      (["predict", "gpt", "table.csv"], ["trained on text", "lockstep generate"]),
      (["predict", "table", "few.csv"], ["few.csv", "'c'"]),
      (["predict", "table", "images/red/0.png"], ["images/red/0.png", "[3]", "an image"]),
      (["predict", "drawn", "table.csv"], ["table.csv", "a table"]),
      (["predict", "drawn", "damaged/green/1.jpg"], ["damaged/green/1.jpg", "JPEG"]),
      (["predict", "drawn", "folder"], ["folder", "PNG or JPEG"]),
      (["predict", "drawn", "images"], ["images", "holds the images themselves"]),
      (["evaluate", "table"], ["table.csv", "--split train"]),
      (["evaluate", "drawn"] + settings("data={name: cifar10, path: images}"), ["test_batch.bin"]),
      (["evaluate", "drawn"] + settings("data={name: built-in-text}"), ["images or tables"]),
      (
        ["evaluate", "table", "--split", "train"]
          + settings("data={name: csv, path: table.csv, label: species, inputs: 'a,b'}"),
        ["table.csv", "3 values", "found samples of 2"]
      ),
      (
        ["evaluate", "drawn"] + settings("data={name: idx, path: letters, classes: 26}"),
        ["one of 10 classes", "one of 26 classes"]
      ),
      (["inspect", "nothing.yaml"], ["nothing.yaml"]),
      (["inspect", "mnist"], ["data.path"]),
      (["inspect", "digits"] + settings("model={name: gpt}", "data.samples=10"), ["model.name gpt"]),
    ] {
      try refuse(arguments, in: place, saying: says)
    }
  }
}
