import Datasets
import Foundation
import TensorCore
import Testing

@Suite struct TextWindowsTests {
  /// What `fill` writes for windows: inputs and labels, a row each.
  private func rows(_ windows: TextWindows, _ samples: [Int]) -> [(inputs: [Int], labels: [Int])] {
    let size = samples.count * windows.context
    var inputs = [Float](repeating: .nan, count: size)
    var labels = [Int32](repeating: -1, count: size)
    inputs.withUnsafeMutableBufferPointer { inputs in
      labels.withUnsafeMutableBufferPointer { labels in
        samples.withUnsafeBufferPointer { samples in
          guard let inputs = inputs.baseAddress, let labels = labels.baseAddress else { return }
          windows.fill(samples, epoch: 0, inputs: inputs, targets: .labels(labels))
        }
      }
    }
    return samples.indices.map { row in
      let part = row * windows.context..<(row + 1) * windows.context
      return (inputs[part].map { Int($0) }, labels[part].map(Int.init))
    }
  }

  @Test func labelsAreTheTokensThatFollow() throws {
    let windows = try TextWindows((0..<20).map(Int32.init), vocabularySize: 20, context: 4, stride: 3)
    // Windows begin at 0, 3, …, 15, and the last label is 19.
    #expect(windows.count == 6)
    #expect(windows.inputShape == [4])
    #expect(windows.target == .classes(20, perSample: 4))
    for (sample, row) in zip([5, 0, 2], rows(windows, [5, 0, 2])) {
      #expect(row.inputs == (0..<4).map { 3 * sample + $0 })
      #expect(row.labels == (0..<4).map { 3 * sample + $0 + 1 })
    }
  }

  @Test func aStrideOfOneBeginsEverywhere() throws {
    let windows = try TextWindows((0..<20).map(Int32.init), vocabularySize: 20, context: 4)
    #expect(windows.count == 20 - 4)
    let first = rows(windows, Array(0..<16)).map { $0.inputs[0] }
    #expect(first == Array(0..<16))
    #expect(try TextWindows([1, 2], vocabularySize: 3, context: 1).count == 1)
  }

  @Test(arguments: [(100, 4, 0.1), (101, 7, 0.3), (64, 8, 0.01), (57, 13, 0.5), (10, 3, 0.4)])
  func everyTokenIsToldOnceInTrainingOrValidation(count: Int, context: Int, fraction: Double) throws {
    let (training, validation) = try TextWindows.split(
      (0..<count).map(Int32.init), vocabularySize: count, context: context, fraction: fraction)
    let told = rows(validation, Array(0..<validation.count)).flatMap(\.labels)
    let learned = Set(rows(training, Array(0..<training.count)).flatMap(\.labels))
    #expect(told.count == validation.count * context)
    #expect(told == Array(count - told.count..<count))
    #expect(learned == Set(1..<count - told.count))
    let seen = rows(training, Array(0..<training.count)).flatMap(\.inputs)
    #expect((seen.max() ?? count) < count - told.count)
    #expect(abs(Double(told.count) - fraction * Double(count)) <= Double(context))
    #expect(validation.stride == context)
  }

  @Test func textsThatAreTooShortAreRefused() throws {
    for count in 0...4 {
      #expect(throws: DatasetError.self) {
        try TextWindows([Int32](repeating: 0, count: count), vocabularySize: 1, context: 4)
      }
    }
    for (count, fraction) in [(8, 0.1), (20, 0.99), (0, 0.5), (100, 0), (100, 1), (100, -1), (100, .nan)] {
      #expect(throws: DatasetError.self, "\(count), \(fraction)") {
        try TextWindows.split(
          [Int32](repeating: 0, count: count), vocabularySize: 1, context: 4, fraction: fraction)
      }
    }
    let (training, validation) = try TextWindows.split(
      [Int32](repeating: 0, count: 9), vocabularySize: 1, context: 4)
    #expect(training.count == 1 && validation.count == 1)
  }

  @Test func largeVocabulariesKeepTheirTokens() throws {
    let tokens: [Int32] = [65_535, 65_536, 0, 131_071, 7]
    for size in [1 << 17, 1 << 24] {
      let windows = try TextWindows(tokens, vocabularySize: size, context: 4)
      #expect(rows(windows, [0])[0].inputs == [65_535, 65_536, 0, 131_071])
      #expect(rows(windows, [0])[0].labels == [65_536, 0, 131_071, 7])
    }
    let narrow = try TextWindows([65_535, 1, 65_535], vocabularySize: 1 << 16, context: 2)
    #expect(rows(narrow, [0])[0].inputs == [65_535, 1])
    #expect(rows(narrow, [0])[0].labels == [1, 65_535])
  }

  @Test func theDigestTellsTextsWindowsAndVocabulariesApart() throws {
    func digest(_ change: Int = -1, _ size: Int = 20, _ context: Int = 4, _ stride: Int = 2) throws -> String
    {
      var tokens = (0..<200_000).map { Int32($0 % 20) }
      if change >= 0 { tokens[change] = (tokens[change] + 1) % 20 }
      return try TextWindows(tokens, vocabularySize: size, context: context, stride: stride).digest()
    }
    let digests = try [
      digest(), digest(0), digest(65_536), digest(199_999), digest(-1, 21), digest(-1, 20, 5),
      digest(-1, 20, 4, 3),
    ]
    #expect(Set(digests).count == digests.count)
    #expect(try digest() == digests[0])
    let (training, validation) = try TextWindows.split(
      (0..<40).map { Int32($0 % 20) }, vocabularySize: 20, context: 4, stride: 4, fraction: 0.5)
    #expect(training.digest() != validation.digest())
  }

  // MARK: Files

  @Test func aFileOrAFolderOfTextsIsLoaded() throws {
    let folder = try TemporaryFolder()
    let (first, second) = ("to be or not to be\n", "that is the question, é\n")
    try folder.write(Array(second.utf8), to: "b.txt")
    try folder.writeGzipped(Array(first.utf8), to: "a.txt.gz")
    try folder.write([0xFF], to: "c.bin")
    let windows = TextData.Windows(context: 4, stride: 1, fraction: 0.25)
    let data = try TextData.load(at: folder.path, tokenizer: .new(.characters), windows: windows)
    let all = first + second
    #expect(data.tokenizer.vocabularySize == Set(all.unicodeScalars).count)
    let tokens =
      rows(data.training, Array(0..<data.training.count)).map { $0.inputs[0] }
      + rows(data.training, [data.training.count - 1])[0].labels
      + rows(data.validation, Array(0..<data.validation.count)).flatMap(\.labels)
    #expect(data.tokenizer.decode(tokens.map(Int32.init)) == all)
    let bytes = try TextData.load(at: folder.path + "/b.txt", tokenizer: .new(.bytes), windows: windows)
    #expect(bytes.training.tokenCount + bytes.validation.tokenCount == second.utf8.count + 1)
    // The tokenizer of a model is used as it is, and has to know the text.
    let again = try TextData.load(at: folder.path, tokenizer: .given(data.tokenizer), windows: windows)
    #expect(again.training.digest() == data.training.digest())
    try folder.write(Array("xyz".utf8), to: "d.txt")
    let error = #expect(throws: DatasetError.self) {
      try TextData.load(at: folder.path, tokenizer: .given(data.tokenizer), windows: windows)
    }
    #expect(error?.diagnosis.place == folder.path + "/d.txt, line 1, column 1")
    let saved = folder.path + "/tokenizer.json"
    try SavedTokenizer.save(BPETokenizer.train(on: Array(all.utf8), vocabularySize: 270), to: saved)
    let bpe = try TextData.load(at: folder.path + "/b.txt", tokenizer: .file(saved), windows: windows)
    #expect(bpe.training.vocabularySize == bpe.tokenizer.vocabularySize)
    #expect(bpe.training.tokenCount + bpe.validation.tokenCount < second.utf8.count)
  }

  @Test func filesWithoutTextAreRefusedByTheirPath() throws {
    let folder = try TemporaryFolder()
    func place(_ path: String, _ kind: TokenizerKind) -> String? {
      let error = #expect(throws: DatasetError.self) {
        try TextData.load(at: path, tokenizer: .new(kind), windows: .init(context: 2))
      }
      return error?.diagnosis.place
    }
    #expect(place(folder.path, .bytes) == folder.path)
    #expect(place(folder.path + "/none", .bytes) == folder.path + "/none")
    let empty = try folder.write([], to: "empty.txt")
    for kind in TokenizerKind.allCases { #expect(place(empty, kind) == empty) }
    let latin = try folder.write(Array("caf".utf8) + [0xE9] + Array(" latin".utf8), to: "latin.txt")
    #expect(place(latin, .characters) == latin + ", byte 3 (counted from 0)")
    #expect(place(latin, .bpe) == latin + ", byte 3 (counted from 0)")
    #expect(
      try TextData.load(at: latin, tokenizer: .new(.bytes), windows: .init(context: 2)).training.count == 6)
  }

  @Test func builtInTextIsSplitLikeAFile() throws {
    let data = try TextData.builtIn(
      characters: 20_000, tokenizer: .new(.characters), windows: .init(context: 32, stride: 8))
    #expect(data.training.tokenCount == 20_000 - 63 * 32)
    #expect(data.validation.count == 63)
    #expect((data.entropyRate ?? 0) > 0.2)
  }
}
