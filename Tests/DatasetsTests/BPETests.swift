import Datasets
import Foundation
import Testing

/// What Hugging Face's tokenizers make of texts: scripts/fixtures/tokenization.py.
struct TokenizationFixture: Decodable {
  struct Entry: Decodable {
    let name: String
    let serialized: String
    let cases: [Case]
  }
  struct Case: Decodable {
    let text: String
    let tokens: [Int32]
  }

  /// What `trained` was trained on.
  let text: String
  let tokenizers: [Entry]

  static func read() throws -> TokenizationFixture {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/tokenization.json")
    return try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
  }
}

@Suite struct BPETests {
  @Test func tokensAreThoseOfHuggingFacesTokenizers() throws {
    let fixture = try TokenizationFixture.read()
    #expect(fixture.tokenizers.map(\.name) == ["trained", "old", "prefixed"])
    for entry in fixture.tokenizers {
      let tokenizer = try BPETokenizer(serialized: entry.serialized)
      let again = try BPETokenizer(serialized: tokenizer.serialized)
      for (text, tokens) in entry.cases.map({ ($0.text, $0.tokens) }) {
        #expect(try tokenizer.encode(text) == tokens, "\(entry.name): \(text.debugDescription)")
        #expect(try again.encode(text) == tokens)
        if !tokenizer.addsPrefixSpace {
          #expect(Array(tokenizer.decode(tokens).utf8) == Array(text.utf8))
        }
      }
      #expect(entry.cases.count >= 20)
    }
  }

  @Test func trainingFindsWhatHuggingFacesTrainerFinds() throws {
    let fixture = try TokenizationFixture.read()
    let trained = try BPETokenizer.train(
      on: Array(fixture.text.utf8), vocabularySize: 420, specialTokens: ["<|endoftext|>"])
    let entry = try #require(fixture.tokenizers.first)
    #expect(trained.vocabularySize == 420)
    #expect(try trained.serialized == BPETokenizer(serialized: entry.serialized).serialized)
    // A smaller vocabulary is the beginning of a larger one.
    let smaller = try BPETokenizer.train(
      on: Array(fixture.text.utf8), vocabularySize: 300, specialTokens: ["<|endoftext|>"])
    for token in 0..<Int32(300) { #expect(smaller.bytes(of: token) == trained.bytes(of: token)) }
  }

  @Test func trainingEndsWhereNoPairIsFrequent() throws {
    let tokenizer = try BPETokenizer.train(on: Array("abcabcabc xyxy".utf8), vocabularySize: 1000)
    // ab, then abc, abcabc and xy come twice; the pairs that are left come once.
    #expect(tokenizer.vocabularySize < 262)
    let all = try BPETokenizer.train(
      on: Array("abcabcabc xyxy".utf8), vocabularySize: 1000, minimumFrequency: 1)
    #expect(try all.encode("abcabcabc xyxy").count == 2)
    #expect(throws: DatasetError.self) { try BPETokenizer.train(on: [], vocabularySize: 1000) }
    #expect(throws: DatasetError.self) { try BPETokenizer.train(on: [97, 0xFF], vocabularySize: 1000) }
    for size in [-1, 0, 255, 1 << 21] {
      #expect(throws: DatasetError.self) { try BPETokenizer.train(on: [97, 97], vocabularySize: size) }
    }
    #expect(try BPETokenizer.train(on: [97, 97, 97, 97], vocabularySize: 256).vocabularySize == 256)
  }

  @Test func aTrainedTokenizerCompressesTextLikeItsOwn() throws {
    let text = BuiltInText.write(characters: 30_000).bytes
    let other = BuiltInText.write(characters: 10_000, seed: 7).bytes
    let tokenizer = try BPETokenizer.train(on: text, vocabularySize: 400)
    let again = try BPETokenizer.train(on: text, vocabularySize: 400)
    #expect(tokenizer.serialized == again.serialized)
    let tokens = try tokenizer.encode(other, at: "the text")
    #expect(tokens.count < other.count / 2)
    #expect(tokens.flatMap(tokenizer.bytes(of:)) == other)
  }

  @Test func aTextWithoutSpacesIsEncodedInReasonableTime() throws {
    let tokenizer = try BPETokenizer.train(
      on: Array(String(repeating: "a", count: 4096).utf8), vocabularySize: 266)
    let tokens = try tokenizer.encode([UInt8](repeating: 97, count: 50_000), at: "the text")
    #expect(tokens.allSatisfy { $0 >= 97 })
    #expect(tokens.flatMap(tokenizer.bytes(of:)).count == 50_000)
    #expect(tokens.count < 150)
  }

  @Test func aPairThatAnotherMergeTookApartIsNotMergedInItsPlace() throws {
    let json = #"""
      {"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{
        "vocab":{"x":0,"y":1,"z":2,"w":3,"yz":4,"xy":5,"yzw":6,"xyz":7},
        "merges":["y z","x y","yz w","x yz"]}}
      """#
    // After "y z" there is no "x y" any more: next comes "yz w", and not "x yz" in the place of "x y".
    let tokenizer = try BPETokenizer(serialized: json)
    #expect(try tokenizer.encode("xyzw") == [0, 6])
    #expect(try tokenizer.encode("xyz") == [7])
    #expect(try tokenizer.encode("xyw") == [5, 3])
  }

  @Test func tokensCanBeLookedAtOneByOne() throws {
    let tokenizer = try BPETokenizer.train(on: Array("日日日日".utf8), vocabularySize: 258)
    let tokens = try tokenizer.encode("日本")
    #expect(tokens.map { tokenizer.bytes(of: $0).count } == [3, 1, 1, 1])
    #expect(tokenizer.decode(tokens) == "日本")
    #expect(tokenizer.decode(tokens.dropLast()) == "日\u{FFFD}")
  }
}
