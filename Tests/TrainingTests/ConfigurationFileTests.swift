import Foundation
import Testing
import Training

@Suite struct ConfigurationFiles {
  @Test func `the digits preset is what it says`() throws {
    let preset = try RunConfiguration.load("digits")
    #expect(preset.model.hidden == [128])
    #expect(preset.data.name == .digits)
    #expect(preset.batch == 128)
    #expect(preset.shards == 8)
    #expect(preset.optimizer.momentum == 0.9)
    #expect(preset.optimizer.learningRate == 0.1)
    #expect(preset.length == .epochs(5))
    #expect(preset.data.normalization == .unit)
  }

  @Test func `the mnist preset asks for its folder, and differs in the data only`() throws {
    let error = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load("mnist") })
    #expect(error.diagnosis.place.hasPrefix("preset mnist:"))
    #expect(error.description.contains("--set data.path=FOLDER"))
    var mnist = try RunConfiguration.load("mnist", overrides: ["data.path=/data/mnist"])
    #expect(mnist.data.path == "/data/mnist")
    mnist.data = DataConfiguration()
    #expect(mnist == (try RunConfiguration.load("digits")))
  }

  @Test func `every line of a preset fits a screen, and its text parses as a file`() throws {
    for preset in ConfigurationPreset.all {
      #expect(preset.yaml.split(separator: "\n").allSatisfy { $0.count <= 100 })
      #expect(preset.yaml.hasSuffix("\n"))
      #expect(ConfigurationPreset.named(preset.name) == preset)
    }
  }

  @Test func `an argument that is nothing is explained both ways`() throws {
    let error = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load("minst") })
    #expect(error.description.contains("neither a file nor a preset"))
    #expect(error.description.contains("Did you mean the preset mnist?"))
    let path = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load("nowhere/at/all.yaml") })
    #expect(path.description.contains("--print-config"))
  }

  @Test func `files are read, folders and binary files refused`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "lockstep-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func load(_ name: String, _ content: Data) throws -> RunConfiguration {
      let file = folder.appendingPathComponent(name)
      try content.write(to: file)
      return try RunConfiguration.load(file.path)
    }
    #expect(try load("run.yaml", Data("data: {name: digits}\nbatch: 5\n".utf8)).batch == 5)
    // Windows' line ends and a byte order mark are no mistakes.
    #expect(try load("crlf.yaml", Data("\u{FEFF}data: {name: digits}\r\nbatch: 6\r\n".utf8)).batch == 6)
    #expect(throws: ConfigurationError.self) { try load("binary", Data([0x64, 0xFF, 0xFE, 0x00])) }
    #expect(throws: ConfigurationError.self) { try load("nul", Data("batch: \0".utf8)) }
    let big = try #require(
      throws: ConfigurationError.self, performing: { try load("big", Data(count: 3 << 20)) })
    #expect(big.description.contains("256 KiB"))
    try Data(minimal.utf8).write(to: folder.appendingPathComponent("config.yaml"))
    let error = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load(folder.path) })
    #expect(error.description.contains("\(folder.path)/config.yaml"))
  }
}

@Suite struct ConfigurationHostility {
  @Test func `aliases that multiply are refused before they do`() throws {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...40 {
      let references = (0..<9).map { _ in "*a\(level - 1)" }.joined(separator: ", ")
      text += "a\(level): &a\(level) [\(references)]\n"
    }
    #expect(try refusal(text + "? *a40\n: 1\n").description.contains("anchor"))
    // Hidden from whoever would look at quotes and comments.
    for hidden in [
      "x: [\"a # \", &y 1]", "x: b\n  'c\ny: &z 1", "'a'&x: 1", "[]&x", "- &x 1", "{a: 1,&b c: 2}",
    ] {
      #expect(ConfigurationNode.lineOfFirstAnchor(in: hidden) != nil, "\(hidden)")
    }
    #expect(ConfigurationNode.lineOfFirstAnchor(in: "path: /a&b/c & d # R& D x?a=1&b=2\n") == nil)
  }

  @Test(arguments: ["[", "{a: ", "- ", "? ", "[{a: "])
  func `nesting without end is refused`(opening: String) throws {
    for depth in [40, 900, 100_000] {
      _ = try refusal("data: " + String(repeating: opening, count: depth))
      _ = try refusal(String(repeating: opening, count: depth) + "x")
    }
    let closed = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
    #expect(try refusal("data: " + closed).description.contains("levels of nesting"))
    let keys = "data: " + String(repeating: "{", count: 400) + "a" + String(repeating: ": 1}", count: 400)
    _ = try refusal(keys)
  }

  @Test func `text that is too long is refused`() throws {
    #expect(try refusal(String(repeating: "# x\n", count: 1 << 19)).description.contains("256 KiB"))
    let value = String(repeating: "x", count: 1 << 21)
    #expect(try refusal(minimal, ["data.path=\(value)"]).description.count < 1000)
  }

  @Test func `any cut and any changed byte ends in a value or a diagnosed error`() throws {
    let bytes = Array(ConfigurationPreset.digits.yaml.utf8)
    for length in bytes.indices {
      let text = String(decoding: bytes[..<length], as: UTF8.self)
      do { _ = try RunConfiguration.parse(text, file: "f") } catch let error {
        #expect(error.diagnosis.place != "")
      }
    }
    var state: UInt64 = 1
    for _ in 0..<1500 {
      var changed = bytes
      for _ in 0..<3 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        changed[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24) & 0x7F
      }
      let read: RunConfiguration
      do {
        read = try RunConfiguration.parse(String(decoding: changed, as: UTF8.self), file: "f")
      } catch {
        #expect(!error.diagnosis.remedy.isEmpty)
        continue
      }
      #expect(try RunConfiguration.parse(read.yaml, file: "f") == read)
    }
  }
}
