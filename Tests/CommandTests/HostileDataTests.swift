import Checkpoints
import DistributedScenarios
import Foundation
import Testing

/// What the command says of files that are damaged or made to do harm: one message that names the file, exit code 2,
/// nothing created, within seconds and with little memory.
@Suite(.serialized) struct HostileDataTests {
  private static let corpus: String = {
    let file = URL(fileURLWithPath: #filePath)
    return file.deletingLastPathComponent().deletingLastPathComponent().path + "/Corpus"
  }()

  /// Where a file of each format is named, and how the command comes to read it.
  struct Use: Sendable {
    let format: String
    let file: String
    let arguments: [String]

    init(_ format: String, as file: String, _ arguments: [String]) {
      (self.format, self.file, self.arguments) = (format, file, arguments)
    }
  }

  private static func training(_ format: String, as file: String, _ data: String) -> Use {
    Use(format, as: file, tinyRun("run", ["data=\(data)"]))
  }

  static let uses = [
    training("csv", as: "table.csv", "{name: csv, path: table.csv, label: species}"),
    training("text", as: "words.txt", "{name: text, path: words.txt, context: 4, tokens: bytes}"),
    training("tokenizer", as: "tokenizer.json", "{name: built-in-text, tokenizer: tokenizer.json}"),
    training("idx", as: "idx/train-images-idx3-ubyte", "{name: idx, path: idx}"),
    training("npy", as: "npy/train_inputs.npy", "{name: npy, path: npy}"),
    training("cifar", as: "cifar/data_batch_1.bin", "{name: cifar10, path: cifar}"),
    training("png", as: "images/a/1.png", "{name: images, path: images}"),
    training("jpeg", as: "images/b/2.jpg", "{name: images, path: images}"),
    Use("configuration", as: "hostile.yaml", ["train", "hostile.yaml", "--out", "run"]),
    Use("safetensors", as: "model", ["inspect", "model"]),
    Use("model", as: "model", ["predict", "model", "good.csv"]),
    Use("csv", as: "table.csv", ["predict", "trained", "table.csv"]),
  ]

  /// A place with good files of every format, and a model.
  private func place() throws -> Workplace {
    let place = try Workplace()
    try place.write("", to: "empty.yaml")
    try place.write("a,b,species\n1,2,cat\n3,4,dog\n5,6,cat\n", to: "good.csv")
    for (name, contents) in [
      ("idx/train-images-idx3-ubyte", "idx/good-images"), ("idx/train-labels-idx1-ubyte", "idx/good-labels"),
      ("npy/train_inputs.npy", "npy/good-floats"), ("npy/train_labels.npy", "npy/good-labels"),
      ("images/a/1.png", "png/good-color"), ("images/b/2.jpg", "jpeg/good-baseline"),
    ] { try put(contents, as: name, in: place) }
    for number in 1...5 { try put("cifar/good-two-records", as: "cifar/data_batch_\(number).bin", in: place) }
    return place
  }

  private func put(_ name: String, as file: String, in place: Workplace) throws {
    try place.write([UInt8](Data(contentsOf: URL(fileURLWithPath: "\(Self.corpus)/\(name)"))), to: file)
  }

  private func refuse(
    _ arguments: [String], in place: Workplace, naming file: String, _ what: String
  ) throws {
    // Memory that is asked for counts here, also where it is never touched.
    let limited = ["-c", "ulimit -v 4000000 && exec \"$@\"", "sh", try Program.path(of: "lockstep")]
    let result = try Program.run(
      executable: "bash", arguments: limited + arguments, directory: place.path, timeout: 20)
    let about: Comment = "\(file) as \(what), \(arguments)\n\(result)"
    #expect(result.exitCode == 2, about)
    #expect(result.messages.count == 1 && result.standardError.split(separator: "\n").count == 1, about)
    #expect(result.standardError.contains(file), about)
    #expect(result.standardError.utf8.count < 4096, about)
    #expect(result.standardError.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0A }, about)
    #expect(result.standardOutput.isEmpty && result.tookLess(than: 15), about)
    #expect(!FileManager.default.fileExists(atPath: place.file("run")), about)
  }

  @Test(arguments: uses.indices) func fault15And23EachFileIsRefusedByName(index: Int) throws {
    let use = Self.uses[index]
    let place = try place()
    if use.arguments.contains("trained") {
      let made = tinyRun(
        "trained", ["data={name: csv, path: good.csv, label: species}", "batch=3", "shards=1"])
      let result = try place.lockstep(made)
      #expect(result.exitCode == 0, "\(result)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(Self.corpus)/\(use.format)").sorted()
    let bad = names.filter { $0.hasPrefix("bad") }
    #expect(bad.count >= 3)
    for name in bad {
      try put("\(use.format)/\(name)", as: use.file, in: place)
      try refuse(use.arguments, in: place, naming: use.file, name)
    }
  }

  @Test(arguments: uses.indices) func fault23WhatIsNoFileIsRefusedAtOnce(index: Int) throws {
    let use = Self.uses[index]
    guard !use.arguments.contains("trained") else { return }
    let place = try place()
    let path = place.file(use.file)
    func replace(_ what: String, _ make: () throws -> Void) throws {
      try? FileManager.default.removeItem(atPath: path)
      try make()
      // Where a folder is searched for the file, the message names both.
      try refuse(use.arguments, in: place, naming: (use.file as NSString).lastPathComponent, what)
    }
    try replace("a pipe") { #expect(mkfifo(path, 0o600) == 0) }
    try replace("an endless device") { #expect(symlink("/dev/zero", path) == 0) }
    try replace("a loop of links") { #expect(symlink(path, path) == 0) }
    // Not where a folder may be named, or searched.
    if !["text", "model", "safetensors", "png", "jpeg"].contains(use.format) {
      try replace("a folder") {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      }
    }
    if getuid() != 0 {
      try replace("an unreadable file") {
        try place.write("x", to: use.file)
        #expect(chmod(path, 0) == 0)
      }
    }
  }

  /// A forger can make digests fit.
  @Test func fault23AStateThatCannotBeIsRefusedThoughItsDigestFits() throws {
    let place = try Workplace()
    try place.write("", to: "empty.yaml")
    let made = try place.lockstep(tinyRun("run", ["data={name: digits, samples: 24, testSamples: 10}"]))
    #expect(made.exitCode == 0, "\(made)")
    let step = try #require(place.checkpoints("run").last)
    let folder = "run/checkpoints/step-\(step)"
    let state = String(
      decoding: try Data(contentsOf: URL(fileURLWithPath: place.file("\(folder)/state.json"))), as: UTF8.self)
    for hostile in [
      String(repeating: "[", count: 100_000), "{}",
      state.replacingOccurrences(of: "\"step\" : \(step)", with: "\"step\" : 1"),
    ] {
      try place.write(hostile, to: "\(folder)/state.json")
      let files = try CheckpointManifest(at: place.file("\(folder)/manifest.json")).files.map { file in
        file.name == "state.json"
          ? Checkpoint.File(
            name: file.name, size: hostile.utf8.count, digest: Digest128(of: Array(hostile.utf8))) : file
      }
      try place.write(CheckpointManifest(step: step, files: files).encoded(), to: "\(folder)/manifest.json")
      let result = try place.lockstep(["train", "--resume", "--out", "run"])
      #expect(result.exitCode == 2 && result.messages.count == 1, "\(result)")
      #expect(result.standardError.contains("\(folder)/state.json"), "\(result)")
    }
  }

  @Test func namesAsLongAsAFileDoNotFillTheTerminal() throws {
    let place = try Workplace()
    let names = [String(repeating: "a", count: 1 << 20), "b\\u001b[2Jb"] + (0..<1000).map { "c\($0)" }
    let header = names.map { "\"\($0)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}" }.joined(
      separator: ",")
    let length = (0..<8).map { UInt8(truncatingIfNeeded: (header.utf8.count + 2) >> (8 * $0)) }
    try place.write(length + Array("{\(header)}".utf8), to: "named")
    let result = try place.lockstep(["inspect", "named"])
    #expect(result.exitCode == 0 && result.standardOutput.utf8.count < 200_000)
    #expect(result.standardOutput.contains("b\\u{1b}[2Jb") && !result.standardOutput.contains("\u{1B}"))
  }
}
