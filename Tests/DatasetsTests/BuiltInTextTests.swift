import Datasets
import Foundation
import Testing

@Suite struct BuiltInTextTests {
  static let text = BuiltInText.write(characters: 100_000)

  @Test func theSameSeedGivesTheSameTextOnEveryMachine() throws {
    #expect(BuiltInText.write(characters: 5_000).bytes == Array(Self.text.bytes.prefix(5_000)))
    #expect(BuiltInText.write(characters: 5_000, seed: 2).bytes != Array(Self.text.bytes.prefix(5_000)))
    #expect(BuiltInText.write(characters: 1).bytes.count == 1)
    #expect(Self.text.bytes.count == 100_000)
  }

  @Test func theVocabularyIsSmall() throws {
    let tokenizer = try CharacterTokenizer(trainedOn: Self.text.bytes)
    #expect(40...70 ~= tokenizer.vocabularySize)
    #expect(tokenizer.characters.allSatisfy { $0.isASCII })
  }

  @Test func theLongerTheViewTheBetterATextCanBeTold() throws {
    let entropy = TextEntropy(of: Self.text.bytes.map(Int32.init))
    #expect(2.5...3.3 ~= entropy.single)
    #expect(entropy.afterOne < entropy.single - 0.5)
    #expect(Self.text.entropyRate < entropy.afterOne / 3)
    #expect(0.36...0.38 ~= Self.text.entropyRate)
  }

  @Test func sumsAreRightAndParenthesesClose() throws {
    var sums = 0
    for line in Self.text.text.split(separator: "\n").dropLast() {
      var depth = 0
      for character in line {
        depth += character == "(" ? 1 : character == ")" ? -1 : 0
        #expect(depth >= 0)
      }
      #expect(depth == 0, "\(line)")
      let sides = line.split(separator: " = ")
      guard sides.count == 2 else { continue }
      sums += 1
      // Signs count as often as the parentheses around them say; there are only digits, + and −.
      var (value, signs, sign) = (0, [1], 1)
      for word in sides[0].replacing("(", with: "( ").replacing(")", with: " )").split(separator: " ") {
        switch word {
        case "(":
          signs.append(signs[signs.count - 1] * sign)
          sign = 1
        case ")": signs.removeLast()
        case "+": sign = 1
        case "-": sign = -1
        default: value += sign * signs[signs.count - 1] * (Int(word) ?? 0)
        }
      }
      #expect(value == Int(sides[1]), "\(line)")
    }
    #expect(sums > 50)
  }

  @Test func whatIsSaidTwiceIsTheSame() throws {
    var count = 0
    for match in Self.text.text.matches(of: /reads "([a-z]+)", and ([A-Z][a-z]+) repeats "([a-z]+)"/) {
      #expect(match.1 == match.3)
      count += 1
    }
    for match in Self.text.text.matches(of: /Forwards: ([a-z, ]+); backwards: ([a-z, ]+)\./) {
      let forwards = match.1.split(separator: ", ")
      #expect(Array(forwards.reversed()) == match.2.split(separator: ", "))
      count += 1
    }
    #expect(count > 100)
  }

  @Test func entropiesAreThoseOfTheCounts() {
    let entropy = TextEntropy(of: [0, 1, 0, 1, 0, 1, 0, 1])
    #expect(abs(entropy.single - log(2)) < 1e-12)
    #expect(entropy.afterOne == 0)
    // After 0 comes 0 once and 1 twice.
    let other = TextEntropy(of: [0, 0, 1, 0, 1])
    let third = 1.0 / 3
    let expected = -(third * log(third) + 2 * third * log(2 * third)) * 3 / 4
    #expect(abs(other.afterOne - expected) < 1e-12)
    #expect(TextEntropy(of: []) == TextEntropy(of: [5]))
  }
}
