import Datasets
import Foundation
import TensorCore
import Testing

@Suite struct TokenizerTests {
  @Test func bytesOfAnyKindComeBack() throws {
    let tokenizer = ByteTokenizer()
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 197 &+ $0 / 256) }
    let tokens = try tokenizer.encode(bytes, at: "the bytes")
    #expect(tokens == bytes.map(Int32.init))
    #expect(tokens.flatMap(tokenizer.bytes(of:)) == bytes)
    #expect(tokenizer.vocabularySize == 256)
    #expect(try tokenizer.decode(tokenizer.encode("é😀")) == "é😀")
    #expect(tokenizer.decode([0x61, 0xC3]) == "a\u{FFFD}")
  }

  @Test func charactersAreScalarsInTheOrderOfTheirCodePoints() throws {
    let text = "ba\r\ne\u{301}é👩‍🚀 \u{0}\u{7FF}\u{800}\u{FFFF}\u{10FFFF}a"
    let tokenizer = try CharacterTokenizer(trainedOn: Array(text.utf8))
    let expected = Set(text.unicodeScalars).sorted()
    #expect(tokenizer.characters == expected)
    #expect(tokenizer.vocabularySize == 16)
    let tokens = try tokenizer.encode(text)
    #expect(tokens.map { expected[Int($0)] } == Array(text.unicodeScalars))
    // Swift takes texts for equal that look the same, so scalars are compared.
    #expect(Array(tokenizer.decode(tokens).unicodeScalars) == Array(text.unicodeScalars))
    #expect(try tokenizer.encode("") == [])
  }

  @Test func aCharacterThatIsNotKnownIsNamedWithItsPlace() throws {
    let tokenizer = try CharacterTokenizer(trainedOn: Array("abcé\n".utf8))
    for (text, place, found) in [
      ("ab\néx", "f, line 2, column 2", "“x” (U+0078)"), ("東", "f, line 1, column 1", "“東” (U+6771)"),
      ("a\n\nbe\u{301}", "f, line 3, column 2", "“e” (U+0065)"),
      ("a\u{301}", "f, line 1, column 2", "U+0301"),
      ("a\r\n", "f, line 1, column 2", "U+000D"), ("éé😀", "f, line 1, column 3", "“😀” (U+1F600)"),
    ] {
      let error = #expect(throws: DatasetError.self) { try tokenizer.encode(Array(text.utf8), at: "f") }
      #expect(error?.diagnosis.place == place)
      #expect(error?.diagnosis.found == found)
    }
    #expect(throws: DatasetError.self) { try CharacterTokenizer(trainedOn: []) }
  }

  @Test func whatIsNotUTF8IsRefusedAtItsFirstByte() throws {
    // Overlong forms, surrogates, beyond U+10FFFF, bytes out of place, cut off; as Swift's decoder judges.
    let wrong: [[UInt8]] = [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x41], [0xE0, 0x9F, 0xBF], [0xE0, 0xA0],
      [0xE4, 0xB8], [0xE4, 0xB8, 0x41], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF],
      [0xF0, 0x9F, 0x98], [0xF0, 0x9F, 0x98, 0x41], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
      [0xFE], [0xFF],
    ]
    for bytes in wrong {
      #expect(String(validating: bytes, as: UTF8.self) == nil)
      let text = Array("aé\n".utf8) + bytes
      let error = #expect(throws: DatasetError.self) { try CharacterTokenizer(trainedOn: text, at: "f") }
      #expect(error?.diagnosis.place == "f, byte 4 (counted from 0)")
    }
    // Everything that two or three bytes at an edge can be.
    for first in 0x7F...0xFF {
      for second: UInt8 in [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF] {
        for more: [UInt8] in [[], [0x80], [0xBF], [0x80, 0x80], [0xBF, 0x7F], [0x80, 0x80, 0x80]] {
          let bytes = [UInt8(first), second] + more
          let isRight = String(validating: bytes, as: UTF8.self) != nil
          let isTaken = (try? CharacterTokenizer(trainedOn: bytes)) != nil
          #expect(isTaken == isRight, "\(bytes)")
        }
      }
    }
  }

  @Test func savedTokenizersAreTheSameAgain() throws {
    let folder = try TemporaryFolder()
    let text = "Zoë said: \"e\u{301}\" \\ \u{0}\u{1F}\u{7F}\u{2028}👩‍🚀\r\n"
    let characters = try CharacterTokenizer(trainedOn: Array(text.utf8))
    let bpe = try BPETokenizer.train(on: Array((text + text).utf8), vocabularySize: 270)
    for tokenizer: any Tokenizer in [ByteTokenizer(), characters, bpe] {
      let path = folder.path + "/tokenizer.json"
      try SavedTokenizer.save(tokenizer, to: path)
      for again in [try SavedTokenizer.load(at: path), try SavedTokenizer.read(tokenizer.serialized)] {
        #expect(again.kind == tokenizer.kind)
        #expect(again.vocabularySize == tokenizer.vocabularySize)
        #expect(again.serialized == tokenizer.serialized)
        #expect(try again.encode(text) == tokenizer.encode(text))
      }
    }
    #expect(try CharacterTokenizer(serialized: characters.serialized) == characters)
    #expect(throws: DatasetError.self) { try ByteTokenizer(serialized: characters.serialized) }
    #expect(throws: DatasetError.self) { try CharacterTokenizer(serialized: ByteTokenizer().serialized) }
    #expect(throws: DatasetError.self) { try SavedTokenizer.save(characters, to: folder.path + "/no/way") }
  }

  @Test func hostileFilesAreRefused() throws {
    func file(
      vocab: String = #"{"a":0,"b":1,"ab":2}"#, merges: String = #"[["a","b"]]"#, more: String = "",
      model: String = "", steps: String = #""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}"#
    ) -> String {
      #"{"# + more + steps + #","model":{"# + model + #""vocab":"# + vocab + #","merges":"# + merges + "}}"
    }
    #expect(try SavedTokenizer.read(file()).encode("abba") == [2, 1, 0])
    #expect(try SavedTokenizer.read(file(merges: #"["a b"]"#)).encode("abba") == [2, 1, 0])
    let deep = String(repeating: "[", count: 100_000)
    for (text, found) in [
      ("", "a tokenizer in JSON"), ("tokens", "a tokenizer in JSON"), ("[]", "a tokenizer in JSON"),
      ("{}", "no model"),
      (deep, "a tokenizer in JSON"),
      (file(vocab: deep), "levels of brackets"), (file() + "}", "nothing after the end"),
      (#"{"model":{"vocab":{}}}"#, "no model.merges"), (#"{"model":{"merges":[]}}"#, "no model.vocab"),
      (file(vocab: #"{"a":0,"b":0,"ab":1}"#), "two tokens with the id 0"),
      (file(vocab: #"{"a":0,"b":1,"ab":3}"#), "none with the id 2"),
      (file(vocab: #"{"a":-1,"b":0,"ab":1}"#), "model.vocab, byte"),
      (file(vocab: #"{"a":0,"b":1,"ab":9223372036854775807}"#), "none with the id 2"),
      (file(vocab: #"{"a":0,"b":1,"ab":1e99}"#), "an exponent"),
      (file(vocab: #"{"a":0,"b":1,"ab":2.5}"#), "a fraction"),
      (file(vocab: #"{"a":0,"b":1,"ab":2,"a":0}"#), "\"a\" again"),
      (file(vocab: #"{"a":0,"b":1,"ab":2,"\u0061":3}"#), "\"a\" again"),
      (file(vocab: #"{"a":0,"b":1,"ab":2,"c":99999999}"#), "none with the id 3"),
      (file(vocab: #"{"a":0,"b":1,"ab":99999999999999999999}"#), "a number up to"),
      (file(vocab: #"{"a":0,"b":1,"ab":"2"}"#), "model.vocab"),
      (file(vocab: "{}", merges: "[]"), "no tokens"),
      (file(vocab: #"{"a":0,"b":1,"ab":2,"東":3}"#), "東"),
      (file(vocab: #"{"a":0,"b":1,"ab":2,"":3}"#), "\"\""),
      (file(merges: #"[["a","c"]]"#), "\"c\""), (file(merges: #"[["b","a"]]"#), "\"ba\""),
      (file(merges: #"[["a","b"],["a","b"]]"#), "again"), (file(merges: #"["ab"]"#), "model.merges"),
      (file(merges: #"["a b c"]"#), "model.merges"), (file(merges: #"[["a"]]"#), "model.merges"),
      (file(merges: #"[["a","b","ab"]]"#), "model.merges"), (file(merges: "null"), "model.merges"),
      (file(merges: #"[7]"#), "model.merges"), (file(merges: "{}"), "model.merges"),
      (file(more: #""added_tokens":[{"id":0,"content":"<s>"}],"#), "two tokens with the id 0"),
      (file(more: #""added_tokens":[{"id":4,"content":"<s>"}],"#), "none with the id 3"),
      (file(more: #""added_tokens":[{"id":-3,"content":"<s>"}],"#), "id -3"),
      (file(more: #""added_tokens":[{"id":3,"content":""}],"#), "id 3"),
      (file(more: #""added_tokens":[{"id":3,"content":"x"},{"id":3,"content":"y"}],"#), "the id 3"),
      (file(more: #""added_tokens":[{"id":3,"content":"x","lstrip":true}],"#), "something else"),
      (file(more: #""added_tokens":[{"id":3}],"#), "id and content"),
      (file(more: #""added_tokens":[{"id":3,"content":"a"}],"#), "\"a\" with the id 0 and, added"),
      (file(more: #""added_tokens":[{"id":0,"content":"a"},{"id":3,"content":"a"}],"#), "id 3"),
      (file(more: #""normalizer":{"type":"NFC"},"#), "something else"),
      (file(model: #""type":"WordPiece","#), "something else"),
      (file(model: #""byte_fallback":true,"#), "something else"),
      (file(model: #""end_of_word_suffix":"</w>","#), "something else"),
      (file(steps: #""pre_tokenizer":{"type":"Sequence","pretokenizers":[]}"#), "something else"),
      (file(steps: #""pre_tokenizer":null"#), "something else"),
      (#"{"tokenizer":"bpe"}"#, "another kind"), (#"{"tokenizer":"words"}"#, "tokenizer"),
      (#"{"tokenizer":"characters"}"#, "none"), (#"{"tokenizer":"characters","characters":"ba"}"#, "order"),
      (#"{"tokenizer":"characters","characters":"aa"}"#, "order"),
    ] {
      let error = #expect(throws: DatasetError.self, "\(text.prefix(200))") { try SavedTokenizer.read(text) }
      let message = error?.description ?? ""
      #expect(message.contains(found), "\(message)")
      #expect(message.count < 600)
    }
  }

  @Test func theOrderOfKeysAndWhatIsNotKnownMakeNoDifference() throws {
    let added =
      #""added_tokens":[{"special":true,"content":"<s>","id":3,"normalized":null},{"id":1,"content":"b"}]"#
    let steps = #""pre_tokenizer":{"use_regex":true,"type":"ByteLevel","add_prefix_space":false,"x":[{}]}"#
    let vocab = #""vocab":{"ab":2,"a":0,"\u0062":1,"Ġ":4}"#
    let merges = #""merges":["a b"]"#
    let others = #""normalizer":null,"truncation":{"a":[1.5e3,true,null]},"version":"1.0""#
    let model = #""dropout":0.0,"unk_token":null,"type":"BPE","fuse_unk":false,"end_of_word_suffix":"""#
    let texts = [
      "{\(added),\(steps),\(others),\"model\":{\(model),\(vocab),\(merges)}}",
      "{\"model\":{\(merges),\(vocab),\(model)},\(others),\(steps),\(added)}",
      " {\n\(steps) ,\t\(added), \"model\" : { \(merges.replacing("\"a b\"", with: "[ \"a\" , \"b\" ]")) , \(vocab)}}\n",
    ]
    for text in texts {
      let tokenizer = try BPETokenizer(serialized: text)
      // An added token is found first, and may be part of a merge.
      #expect(try tokenizer.encode("<s>a b") == [3, 0, 4, 1])
      #expect((0..<5).map { tokenizer.bytes(of: $0) } == ["a", "b", "ab", "<s>", " "].map { Array($0.utf8) })
      #expect(tokenizer.addedTokens.map(\.isSpecial) == [true, false])
      #expect(try tokenizer.serialized == BPETokenizer(serialized: texts[0]).serialized)
    }
  }

  @Test func filesThatAreTooLargeOrNotUTF8AreRefused() throws {
    let folder = try TemporaryFolder()
    let bomb = try folder.writeGzipped(Array("{".utf8), zeros: 100 << 20, to: "tokenizer.json")
    let error = #expect(throws: DatasetError.self) { try SavedTokenizer.load(at: bomb) }
    #expect(error?.description.contains("at most 67108864 bytes") == true)
    let latin = try folder.write([0x7B, 0xE9, 0x7D], to: "latin.json")
    #expect(throws: DatasetError.self) { try SavedTokenizer.load(at: latin) }
    #expect(throws: DatasetError.self) { try SavedTokenizer.load(at: folder.path) }
  }

  @Test func aByteWithoutATokenIsNamedWithItsPlace() throws {
    let json =
      #"{"pre_tokenizer":{"type":"ByteLevel"},"model":{"vocab":{"a":0,"Ġ":1,"Ċ":2},"merges":[]}}"#
    let tokenizer = try SavedTokenizer.read(json)
    #expect(try tokenizer.encode("a a\n") == [1, 0, 1, 0, 2])
    let error = #expect(throws: DatasetError.self) { try tokenizer.encode(Array("a\na b".utf8), at: "f") }
    #expect(error?.diagnosis.place == "f, line 2, column 3")
    #expect(error?.diagnosis.found == "the byte 62")
  }
}
