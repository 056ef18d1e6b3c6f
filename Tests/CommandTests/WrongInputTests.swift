import DistributedScenarios
import Foundation
import Testing

/// Whatever is wrong with what a user gave: one message that names it, exit code 2, and nothing is created
/// or changed.
@Suite(.serialized) struct WrongInputTests {
  /// Runs a command that must be refused, and checks what every refusal has in common.
  private func refuse(
    _ arguments: [String], in place: Workplace, ranks: Int? = nil, naming parts: String...,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let before = place.contents()
    let result = try place.lockstep(arguments, ranks: ranks)
    #expect(result.exitCode == 2, "\(result)", sourceLocation: location)
    #expect(result.messages.count == 1, "\(result)", sourceLocation: location)
    let message = result.messages.first ?? ""
    for part in parts { #expect(message.contains(part), "\(part)?\n\(result)", sourceLocation: location) }
    if ranks == nil {
      let lines = result.standardError.split(separator: "\n")
      #expect(lines.count == 1, "more than one message\n\(result)", sourceLocation: location)
    }
    #expect(result.standardOutput.isEmpty, "\(result)", sourceLocation: location)
    #expect(place.contents() == before, "files changed\n\(result)", sourceLocation: location)
  }

  private let mnist = ["train", "mnist", "--out", "run"] + settings("data.path=data", "epochs=1")

  @Test(arguments: [nil, 2]) func missingFiles(ranks: Int?) throws {
    let place = try Workplace()
    try refuse(mnist, in: place, ranks: ranks, naming: "data", "train-images-idx3-ubyte", "data.path")
    try place.writeDigits(to: "data", training: 300, test: 100)
    try FileManager.default.removeItem(atPath: place.file("data/t10k-labels-idx1-ubyte"))
    try refuse(mnist, in: place, ranks: ranks, naming: "data", "t10k-labels-idx1-ubyte")
  }

  @Test func aFolderThatIsNotSaid() throws {
    try refuse(["train", "mnist", "--out", "run"], in: Workplace(), naming: "mnist:8", "data.path=FOLDER")
  }

  @Test func aTruncatedFile() throws {
    let place = try Workplace()
    try place.writeDigits(to: "data", training: 300, test: 100)
    let images = try DrawnDigits(.train, count: 300).imageFile
    for length in [images.count - 1, 16 + 784, 10, 3] {
      try place.write(Array(images.prefix(length)), to: "data/train-images-idx3-ubyte")
      try refuse(mnist, in: place, naming: "data/train-images-idx3-ubyte", "cut short")
    }
    try refuse(mnist, in: place, ranks: 2, naming: "data/train-images-idx3-ubyte")
  }

  @Test func labelsThatDoNotFitTheImages() throws {
    let place = try Workplace()
    try place.writeDigits(to: "data", training: 300, test: 100)
    var digits = try DrawnDigits(.train, count: 300)
    digits.labels[217] = 10
    try place.write(digits.labelFile, to: "data/train-labels-idx1-ubyte")
    try refuse(mnist, in: place, naming: "train-labels-idx1-ubyte", "217", "10")
    digits.labels[217] = 3
    digits.labels.removeLast()
    try place.write(digits.labelFile, to: "data/train-labels-idx1-ubyte")
    try refuse(mnist, in: place, naming: "299", "300")
  }

  @Test func aConfigurationThatSaysWhatIsUnknown() throws {
    let place = try Workplace()
    try place.write(
      Array("data:\n  name: digits\noptimizer:\n  learningrate: 0.1\n".utf8), to: "run.yaml")
    let train = ["--out", "run"]
    try refuse(["train", "run.yaml"] + train, in: place, naming: "run.yaml:4", "learningRate")
    try refuse(["train", "run.yaml"] + train, in: place, ranks: 2, naming: "run.yaml:4", "learningRate")
    try refuse(["train", "digts"] + train, in: place, naming: "preset digits")
    try refuse(["train", "digits"] + train + settings("bach=3"), in: place, naming: "--set bach=3", "batch")
    try refuse(
      ["train", "digits"] + train + settings("batch"), in: place, naming: "--set batch", "key=value")
    try refuse(["train", "digits"] + train + settings("batch=-1"), in: place, naming: "batch", "-1")
    try refuse(["train", "digits"] + train + settings("loss=cross"), in: place, naming: "crossEntropy")
    try refuse(["train", "--print-config", "digts"], in: place, naming: "digits or mnist")
  }

  @Test("Fault 20: more ranks than shards are refused; and what else does not fit together")
  func batchesShardsAndRanksThatDoNotFitTogether() throws {
    let place = try Workplace()
    let train = ["train", "digits", "--out", "run"]
    try refuse(
      train + settings("batch=3", "shards=null"), in: place, ranks: 4, naming: "batch", "4 in all", "found 3")
    try refuse(train + settings("batch=4"), in: place, naming: "shards", "batch", "4", "found 8")
    try refuse(train + settings("shards=2"), in: place, ranks: 3, naming: "shards", "3 in all", "found 2")
  }

  @Test("Fault 13: ranks that were started differently are refused")
  func ranksThatWereStartedDifferently() throws {
    let place = try Workplace()
    let command = [try Program.path(of: "lockstep")] + smallRun + ["--out", "run"]
    let options = ["--oversubscribe", "--bind-to", "none", "--allow-run-as-root"]
    let result = try Program.run(
      executable: "mpirun",
      arguments: options + ["-np", "1"] + command + [":", "-np", "1"] + command + settings("seed=1"),
      directory: place.path)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.tookLess(than: 15))
    #expect(result.messages.count == 1, "\(result)")
    let message = result.messages.first ?? ""
    #expect(message.contains("seed differs: rank 0 has 0; rank 1 has 1"), "\(result)")
    #expect(!message.contains("hidden"), "only what differs: \(result)")
    #expect(place.contents().isEmpty)
  }

  @Test func aFolderThatHoldsARun() throws {
    let place = try Workplace()
    #expect(try place.lockstep(smallRun + ["--out", "run"]).exitCode == 0)
    try refuse(smallRun + ["--out", "run"], in: place, naming: "run", "--resume", "--out")
    try refuse(smallRun + ["--out", "run"], in: place, ranks: 2, naming: "run", "--resume")
  }

  @Test func checkpointsOfAnotherTraining() throws {
    let place = try Workplace()
    #expect(try place.lockstep(smallRun + ["--out", "run"]).exitCode == 0)
    let resume = smallRun + ["--out", "run", "--resume"]
    try refuse(
      resume + settings("model.hidden=[64]"), in: place, naming: "step-48", "model.hidden: [64]", "[128]")
    try refuse(
      resume + settings("optimizer.learningRate=0.2"), in: place, ranks: 2,
      naming: "optimizer.learningRate: 0.2", "optimizer.learningRate: 0.1")
    try refuse(["train", "--resume", "--out", "nowhere"], in: place, naming: "nowhere", "config.yaml")
  }

  @Test("Fault 16: data that changed are refused unless allowed")
  func dataThatChangedAreRefusedUnlessAllowed() throws {
    let place = try Workplace()
    try place.writeDigits(to: "data", training: 640, test: 100)
    #expect(try place.lockstep(mnist).exitCode == 0)
    try place.writeDigits(to: "data", training: 640, test: 100, seed: 1)
    let resume = ["train", "--resume", "--out", "run"] + settings("epochs=2")
    try refuse(resume, in: place, naming: "training data", "--allow-changed-data")
    let allowed = try place.lockstep(resume + ["--allow-changed-data"])
    #expect(allowed.exitCode == 0, "\(allowed)")
    #expect(allowed.standardError.contains("warning: the training data changed"), "\(allowed)")
    #expect(place.checkpoints("run").last == 10)
  }

  @Test func pathsThatLeadNowhereOrToSomethingElse() throws {
    let place = try Workplace()
    #expect(try place.lockstep(smallRun + ["--out", "run"]).exitCode == 0)
    try place.write(Array("no tensors here, only words".utf8), to: "words")
    try FileManager.default.createDirectory(
      atPath: place.file("empty"), withIntermediateDirectories: true)
    for command in [["evaluate"], ["inspect"], ["inspect", "--digest"]] {
      try refuse(command + ["nowhere"], in: place, naming: "nowhere")
      try refuse(command + ["words"], in: place, naming: "words")
      try refuse(command + ["empty"], in: place, naming: "empty")
    }
    try refuse(["evaluate", "words"], in: place, ranks: 2, naming: "words")
    try refuse(["predict", "nowhere", "words"], in: place, naming: "nowhere")
    try refuse(["predict", "run", "nowhere"], in: place, naming: "nowhere")
    try refuse(["predict", "run", "words"], in: place, naming: "words", "IDX")
    try refuse(["predict", "run", "empty"], in: place, naming: "empty")

    let pixels = [UInt8](repeating: 9, count: 5 * 20 * 20)
    try place.write(idx([5, 20, 20], pixels), to: "small-images")
    try refuse(["predict", "run", "small-images"], in: place, naming: "small-images", "784", "20×20", "400")
    try place.write(idx([2000], pixels), to: "labels")
    try refuse(["predict", "run", "labels"], in: place, naming: "labels", "images")
  }

  @Test func dataOfAnotherShapeThanTheModels() throws {
    let place = try Workplace()
    #expect(try place.lockstep(smallRun + ["--out", "run"]).exitCode == 0)
    try place.write(idx([5, 20, 20], [UInt8](repeating: 9, count: 2000)), to: "data/t10k-images-idx3-ubyte")
    try place.write(idx([5], [0, 1, 2, 3, 4]), to: "data/t10k-labels-idx1-ubyte")
    let other = settings("data={name: idx, path: data}")
    try refuse(["evaluate", "run"] + other, in: place, naming: "data", "784", "400")
  }

  @Test func damagedCheckpointsAreSkippedAndNamed() throws {
    let place = try Workplace()
    #expect(try place.lockstep(smallRun + ["--out", "run"]).exitCode == 0)
    let digest = try place.digest("run")
    try place.damage("run/checkpoints/step-48/model.safetensors")
    let resumed = try place.lockstep(["train", "--resume", "--out", "run"])
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(resumed.standardError.contains("warning: checkpoint step-48 is not used"), "\(resumed)")
    #expect(resumed.standardOutput.contains("resumed from step 24 of 48"), "\(resumed)")
    #expect(try place.digest("run") == digest)

    for step in place.checkpoints("run") { try place.damage("run/checkpoints/step-\(step)/state.json") }
    try refuse(
      ["train", "--resume", "--out", "run"], in: place, naming: "run/checkpoints", "2 damaged", "step-48")
  }

  @Test func wrongUsage() throws {
    let place = try Workplace()
    for arguments in [
      ["train"], ["train", "digits", "--frob"], ["train", "digits", "--resume"], ["frob"], ["predict", "x"],
      ["bench", "frob"], ["bench", "--seconds", "0"], ["doctor", "--threads", "0"], ["evaluate"],
      ["predict", "a", "b", "--limit", "0"], ["train", "digits", "--threads", "x"],
    ] {
      let result = try place.lockstep(arguments)
      #expect(result.exitCode == 2, "\(arguments) \(result)")
      #expect(result.standardError.hasPrefix("Error: "), "\(arguments) \(result)")
      #expect(result.standardOutput.isEmpty)
    }
    let shared = try place.lockstep(["train", "digits", "--frob"], ranks: 2)
    #expect(shared.exitCode == 2, "\(shared)")
    #expect(shared.standardError.components(separatedBy: "Error: ").count == 2, "once: \(shared)")
    #expect(place.contents().isEmpty)
  }
}
