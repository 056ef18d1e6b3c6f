// Every kind of data trains, evaluates and predicts, from files as users have them.

import Foundation
import Testing

@Suite struct DataKindsTests {
  private static let kinds: [(name: String, values: [String])] = [
    ("csv", ["data.name=csv", "data.path=table.csv", "data.label=species", "validation.fraction=0.2"]),
    ("npy", ["data.name=npy", "data.path=arrays", "model.name=lenet"]),
    ("cifar", ["data.name=cifar10", "data.path=cifar", "model.name=vgg-small", "lastBatch=drop"]),
    (
      "images",
      [
        "data.name=images", "data.path=images", "data.height=12", "data.width=10", "model.name=lenet",
        "validation.fraction=0.25", "data.augment=[{type: crop, padding: 2}, {type: mixup}]",
      ]
    ),
    (
      "text",
      ["data.name=text", "data.path=words.txt", "data.context=8", "model.name=char-gru", "model.width=8"]
    ),
  ]

  private func place() throws -> Workplace {
    let place = try Workplace()
    try place.write("", to: "empty.yaml")
    try place.writeTable(to: "table.csv")
    try place.writeArrays(to: "arrays", size: 12)
    try place.writeCIFAR(to: "cifar")
    try place.writeImages(to: "images", each: 8)
    try place.writeText(to: "words.txt")
    return place
  }

  @Test(arguments: kinds) func aRunFromFilesHasTheSameWeightsOnTwoRanks(
    _ kind: (name: String, values: [String])
  ) throws {
    let place = try place()
    for ranks in [1, 2] {
      let result = try place.lockstep(tinyRun("run-\(ranks)", kind.values), ranks: ranks)
      #expect(result.exitCode == 0, "\(result)")
    }
    #expect(try place.digests("run-1", step: 3) == place.digests("run-2", step: 3))
    // All but CIFAR and NPY hold samples out of the training files.
    let isTest = ["npy", "cifar", "text"].contains(kind.name)
    let evaluated = try place.lockstep(["evaluate", "run-2"] + (isTest ? [] : ["--split", "train"]))
    #expect(evaluated.exitCode == 0 && evaluated.standardOutput.contains("accuracy"), "\(evaluated)")
    let stepped = try place.lockstep(["train", "--resume", "--out", "run-1"] + settings("steps=5"))
    #expect(stepped.exitCode == 0 && stepped.standardOutput.contains("resumed from step 3"), "\(stepped)")
  }

  @Test(arguments: ["text", "cifar"])
  func aResumedRunEndsLikeOneThatWasNotInterrupted(_ name: String) throws {
    let place = try place()
    let values = try #require(Self.kinds.first { $0.name == name }).values
    #expect(try place.lockstep(tinyRun("whole", values + ["steps=6"])).exitCode == 0)
    #expect(try place.lockstep(tinyRun("parts", values)).exitCode == 0)
    let resumed = try place.lockstep(["train", "--resume", "--out", "parts"] + settings("steps=6"), ranks: 2)
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(try place.digests("parts", step: 6) == place.digests("whole", step: 6))
  }

  @Test func imagesAndFoldersOfThemArePredicted() throws {
    let place = try place()
    let values = try #require(Self.kinds.first { $0.name == "images" }).values
    let run = try place.lockstep(
      tinyRun("run", values + ["steps=40", "data.augment=null", "batch=18"]))
    #expect(run.exitCode == 0, "\(run)")
    try place.write(place.image(2, 50, isPNG: true), to: "new/b.png")
    try place.write(place.image(0, 51, isPNG: false), to: "new/a.JPG")
    try place.write("no image", to: "new/readme.txt")

    let folder = try place.lockstep(["predict", "run", "new"])
    #expect(folder.exitCode == 0, "\(folder)")
    let rows = folder.standardOutput.split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(rows.map { $0.prefix(2).joined(separator: " ") } == ["new/a.JPG red", "new/b.png blue"])
    #expect(rows.allSatisfy { $0.count == 3 && Double($0[2]).map { $0 > 0.5 && $0 <= 1 } == true })
    let single = try place.lockstep(["predict", "run", "new/b.png"])
    #expect(folder.standardOutput.hasSuffix(single.standardOutput), "\(single)")
  }

  @Test func rowsOfATableArePredictedByTheNamesOfTheirColumns() throws {
    let place = try place()
    let values = try #require(Self.kinds.first { $0.name == "csv" }).values
    let more = ["steps=150", "optimizer.learningRate=0.01"]
    #expect(try place.lockstep(tinyRun("run", values + more)).exitCode == 0)
    // Other columns in another order; a class is not among them.
    try place.write("x,c,b,a\nn,0.1,0.2,0.1\nm,0.1,-1.8,2.2\n", to: "new.csv")
    let result = try place.lockstep(["predict", "run", "new.csv"])
    #expect(result.exitCode == 0, "\(result)")
    let rows = result.standardOutput.split(separator: "\n").map { $0.split(separator: "\t").prefix(2) }
    #expect(rows.map { $0.joined(separator: " ") } == ["1 cat", "2 eel"], "\(result)")
    let first = try place.lockstep(["predict", "run", "new.csv", "--limit", "1"])
    #expect(result.standardOutput.hasPrefix(first.standardOutput) && first.standardOutput.hasPrefix("1\tcat"))
  }

  @Test func imagesOfAnIDXFileArePredictedAndGivenBack() throws {
    let place = try place()
    try place.write(DrawnDigits(.test, count: 3).imageFile, to: "images.idx")
    let digits = ["data.name=digits", "data.samples=100", "data.testSamples=20"]
    #expect(try place.lockstep(tinyRun("classes", digits)).exitCode == 0)
    let classes = try place.lockstep(["predict", "classes", "images.idx"])
    #expect(classes.exitCode == 0, "\(classes)")
    #expect(classes.standardOutput.split(separator: "\n").map { $0.prefix(2) } == ["0\t", "1\t", "2\t"])

    // A code of ten numbers is no class, and neither are as many values.
    let values = ["model.name=autoencoder", "model.hidden=[10]", "loss=meanSquaredError"]
    #expect(try place.lockstep(tinyRun("values", digits + values)).exitCode == 0)
    let given = try place.lockstep(["predict", "values", "images.idx", "--limit", "1"])
    #expect(given.standardOutput.split(separator: "\t").count == 1 + 784, "\(given)")
  }

  @Test func asManyValuesAsClassesAreStillValues() throws {
    let place = try place()
    let layers = "model.layers=[{type: dense, outputs: 3}]"
    let values = ["data.name=csv", "data.path=table.csv", "data.label=species"]
    let run = try place.lockstep(
      tinyRun("run", values + [layers, "model.reconstructs=true", "loss=meanSquaredError"]))
    #expect(run.exitCode == 0, "\(run)")
    let result = try place.lockstep(["predict", "run", "table.csv", "--limit", "1"])
    #expect(result.standardOutput.split(separator: "\t").count == 4, "\(result)")
  }

  @Test func mixturesOfClassesTrainAndPlainSamplesTellTheAccuracy() throws {
    let place = try place()
    let values = [
      "data.name=digits", "data.samples=600", "data.testSamples=100",
      "data.augment=[{type: mixup, alpha: 0.2}]",
      "steps=120", "batch=60", "optimizer.learningRate=0.005",
    ]
    #expect(try place.lockstep(tinyRun("run", values)).exitCode == 0)
    let last = try #require(try place.metrics("run").last { $0.split == .test })
    #expect(try #require(last.accuracy) > 0.6)
    let evaluated = try place.lockstep(["evaluate", "run"])
    #expect(evaluated.standardOutput.contains("commonest"), "which was taken for which: \(evaluated)")
  }

  // MARK: - Writing text

  @Test func textGoesOnFromAPromptBySeedAndSampler() throws {
    let place = try place()
    let values = try #require(Self.kinds.first { $0.name == "text" }).values
    #expect(try place.lockstep(tinyRun("run", values)).exitCode == 0)
    func text(_ arguments: String...) throws -> String {
      let result = try place.lockstep(["generate", "run", "--length", "40"] + arguments)
      #expect(result.exitCode == 0, "\(result)")
      return result.standardOutput
    }
    let plain = try text("--prompt", "the ")
    #expect(plain.hasPrefix("the ") && plain.hasSuffix("\n") && plain.unicodeScalars.count == 45)
    #expect(try text("--prompt", "the ") == plain)
    #expect(try text("--prompt", "the ", "--seed", "7") != plain)
    let likeliest = try text("--prompt", "the ", "--temperature", "0")
    #expect(likeliest != plain)
    #expect(try text("--prompt", "the ", "--temperature", "0", "--seed", "9") == likeliest)
    #expect(try text("--prompt", "the ", "--top-k", "1") == likeliest)
    #expect(try text("--prompt", "the ", "--top-k", "1000") == plain)
    // Longer than the context of 8: only the end of it counts.
    let (one, other) = ("a quick brown fox", "dog jumps over brown fox")
    let ends = try [one, other].map { prompt in
      try String(text("--prompt", prompt, "--temperature", "0").dropFirst(prompt.count))
    }
    #expect(ends[0] == ends[1])
    #expect(try text("--prompt", "").unicodeScalars.count == 41)
  }

  @Test func anyTextIsATextForBytePairs() throws {
    let place = try place()
    let values = try #require(Self.kinds.first { $0.name == "text" }).values
    let run = try place.lockstep(tinyRun("run", values + ["data.tokens=bpe", "data.vocabulary=270"]))
    #expect(run.exitCode == 0, "\(run)")
    let result = try place.lockstep(["generate", "run", "--prompt", "Ünïcödé", "--length", "3"])
    #expect(result.exitCode == 0 && result.standardError.isEmpty, "\(result)")
    try place.write(String(repeating: "漢字 ünd ", count: 300), to: "other.txt")
    let other = try place.lockstep(["evaluate", "run"] + settings("data.path=other.txt"))
    #expect(other.exitCode == 0, "\(other)")
  }

  // MARK: - A configuration's layers

  @Test func theLayersOfAConfigurationAreListed() throws {
    let place = try place()
    let result = try place.lockstep(["inspect", "lenet"] + settings("data.samples=10", "data.testSamples=0"))
    #expect(result.exitCode == 0, "\(result)")
    let lines = result.standardOutput.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    #expect(lines.contains("input 1 × 28 × 28"))
    #expect(lines.contains { $0.hasPrefix("0 32 × 26 × 26 320 ") }, "\(result)")
    #expect(lines.last?.hasPrefix("all 225034 ") == true)
    #expect(place.contents()["runs"] == nil)

    try place.write(
      "data: {name: built-in-text, characters: 2000, context: 6}\nmodel: {name: gpt, width: 8, heads: 2}\n",
      to: "gpt.yaml")
    let gpt = try place.lockstep(["inspect", "gpt.yaml"])
    #expect(gpt.exitCode == 0, "\(gpt)")
    let rows = gpt.standardOutput.split(separator: "\n").map {
      $0.split(separator: " ").joined(separator: " ")
    }
    #expect(
      rows.contains { $0.hasPrefix("blocks.0.up 6 × 32 ") } && rows.contains { $0.hasPrefix("norm 6 × 8 ") },
      "\(gpt)")
  }

  @Test(arguments: ["digits", "lenet", "resnet20", "lstm", "gpt", "autoencoder"])
  func aPrintedPresetIsAFileThatTrainsTheSameModel(_ preset: String) throws {
    let place = try place()
    let printed = try place.lockstep(["train", "--print-config", preset])
    #expect(printed.exitCode == 0 && printed.standardError.isEmpty)
    try place.write(printed.standardOutput, to: "preset.yaml")
    let isText = ["lstm", "gpt"].contains(preset)
    let small = isText ? settings("data.characters=2000") : settings("data.samples=64", "data.testSamples=10")
    let tables = try [preset, "preset.yaml"].map { try place.lockstep(["inspect", $0] + small) }
    #expect(tables[0].exitCode == 0 && tables[0].standardOutput == tables[1].standardOutput)
  }
}
