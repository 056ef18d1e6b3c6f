/// How the sentences of `BuiltInText` are built.
enum TextGrammar {
  /// The two people of a paragraph.
  private struct Cast {
    let first: TextLexicon.Person
    let second: TextLexicon.Person
  }

  /// Writes a paragraph and the empty line behind it.
  static func paragraph(_ pen: inout TextPen) {
    switch pen.choice(7, 2, 1) {
    case 0: prose(&pen)
    case 1: verse(&pen)
    default: sums(&pen)
    }
    pen.write("\n")
  }

  // MARK: Prose

  private static func prose(_ pen: inout TextPen) {
    let first = pen.number(below: TextLexicon.people.count)
    let other = pen.number(below: TextLexicon.people.count - 1)
    let people = TextLexicon.people
    let cast = Cast(first: people[first], second: people[other < first ? other : other + 1])
    pen.write("\(cast.first.name) and \(cast.second.name) \(pen.frequent(TextLexicon.intransitiveVerbs)) ")
    place(&pen)
    pen.write(".")
    for _ in 0..<2 + pen.number(below: 6) {
      pen.write(" ")
      sentence(&pen, cast)
    }
    pen.write("\n")
  }

  private static func sentence(_ pen: inout TextPen, _ cast: Cast) {
    switch pen.choice(8, 4, 3, 2, 2) {
    case 0:
      clause(&pen, isStart: true)
      pen.write(".")
    case 1: speech(&pen, cast)
    case 2: aside(&pen, cast)
    case 3: echo(&pen, cast)
    default: reversal(&pen)
    }
  }

  /// `Mara says: "the old boats drift." She waits.`
  private static func speech(_ pen: inout TextPen, _ cast: Cast) {
    let speaker = pen.happens(1, of: 2) ? cast.first : cast.second
    pen.write("\(speaker.name) \(pen.frequent(TextLexicon.speaking)): \"")
    clause(&pen, isStart: false)
    pen.write(".\"")
    if pen.happens(1, of: 2) {
      pen.write(" \(speaker.pronoun) \(pen.frequent(TextLexicon.intransitiveVerbs))s.")
    }
  }

  /// `Mara knows (as Tobin knows (as Mara knows)) that the badger sleeps.`
  private static func aside(_ pen: inout TextPen, _ cast: Cast) {
    let speaker = pen.happens(1, of: 2) ? cast.first : cast.second
    pen.write("\(speaker.name) knows")
    var depth = 0
    // The speakers take turns, so every name inside follows from the one before.
    var current = speaker
    while depth < 4, pen.happens(depth == 0 ? 2 : 1, of: 3) {
      current = current == cast.first ? cast.second : cast.first
      pen.write(" (as \(current.name) knows")
      depth += 1
    }
    for _ in 0..<depth { pen.write(")") }
    pen.write(" that ")
    clause(&pen, isStart: false)
    pen.write(".")
  }

  /// `Tobin reads "kelo", and Mara repeats "kelo".`
  private static func echo(_ pen: inout TextPen, _ cast: Cast) {
    let isFirst = pen.happens(1, of: 2)
    let (reader, listener) = isFirst ? (cast.first, cast.second) : (cast.second, cast.first)
    var word = ""
    for _ in 0..<2 + pen.number(below: 2) {
      word += pen.any(TextLexicon.consonants) + pen.any(TextLexicon.vowels)
    }
    pen.write("\(reader.name) reads \"\(word)\", and \(listener.name) repeats \"\(word)\".")
  }

  /// `Forwards: red, blue, white; backwards: white, blue, red.`
  private static func reversal(_ pen: inout TextPen) {
    let colours = (0..<2 + pen.number(below: 3)).map { _ in pen.any(TextLexicon.colours) }
    let forwards = colours.joined(separator: ", ")
    let backwards = colours.reversed().joined(separator: ", ")
    pen.write("Forwards: \(forwards); backwards: \(backwards).")
  }

  // MARK: Clauses

  /// `the old boats near the mill carry a stone`: the verb agrees with the first noun.
  private static func clause(_ pen: inout TextPen, isStart: Bool) {
    let isPlural = nounPhrase(&pen, isStart: isStart)
    if pen.happens(1, of: 4) {
      pen.write(" near ")
      _ = nounPhrase(&pen, isStart: false)
    }
    let ending = isPlural ? "" : "s"
    if pen.happens(1, of: 2) {
      pen.write(" \(pen.frequent(TextLexicon.transitiveVerbs))\(ending) ")
      _ = nounPhrase(&pen, isStart: false)
    } else {
      pen.write(" \(pen.frequent(TextLexicon.intransitiveVerbs))\(ending)")
      if pen.happens(1, of: 3) {
        pen.write(" ")
        place(&pen)
      }
    }
  }

  /// Writes `the old boats` and returns whether they are several.
  private static func nounPhrase(_ pen: inout TextPen, isStart: Bool) -> Bool {
    let isPlural = pen.happens(1, of: 2)
    var determiner = pen.frequent(
      isPlural ? TextLexicon.pluralDeterminers : TextLexicon.singularDeterminers)
    let adjective = pen.happens(2, of: 5) ? pen.frequent(TextLexicon.adjectives) + " " : ""
    let noun = pen.frequent(TextLexicon.nouns)
    let next = adjective.isEmpty ? noun : adjective
    if determiner == "a", next.first.map("aeiou".contains) == true { determiner = "an" }
    if isStart { pen.writeCapitalized(determiner) } else { pen.write(determiner) }
    pen.write(" \(adjective)\(noun)\(isPlural ? "s" : "")")
    return isPlural
  }

  private static func place(_ pen: inout TextPen) {
    pen.write("\(pen.frequent(TextLexicon.placeWords)) the \(pen.frequent(TextLexicon.places))")
  }

  // MARK: Verse

  /// Couplets whose lines rhyme.
  private static func verse(_ pen: inout TextPen) {
    for _ in 0..<1 + pen.number(below: 4) {
      let rhyme = pen.any(TextLexicon.rhymes)
      let first = pen.number(below: rhyme.count)
      let other = pen.number(below: rhyme.count - 1)
      line(&pen, ending: rhyme[first], mark: ",")
      line(&pen, ending: rhyme[other < first ? other : other + 1], mark: ";")
    }
  }

  private static func line(_ pen: inout TextPen, ending: String, mark: String) {
    let adjective = pen.frequent(TextLexicon.adjectives)
    let noun = pen.frequent(TextLexicon.nouns)
    let verb = pen.frequent(TextLexicon.intransitiveVerbs)
    pen.write("  The \(adjective) \(noun)s \(verb) by the \(ending)\(mark)\n")
  }

  // MARK: Sums

  private static func sums(_ pen: inout TextPen) {
    for _ in 0..<2 + pen.number(below: 4) {
      if pen.happens(1, of: 2) {
        let (left, right) = (pen.number(below: 100), pen.number(below: 100))
        pen.write("\(left) + \(right) = \(left + right)\n")
      } else {
        let value = expression(&pen, depth: 3, isWhole: true)
        pen.write(" = \(value)\n")
      }
    }
  }

  /// `((3 + 4) - 2)`: writes it and returns its value.
  private static func expression(_ pen: inout TextPen, depth: Int, isWhole: Bool) -> Int {
    if !isWhole, depth == 0 || pen.happens(3, of: 5) {
      let digit = pen.number(below: 10)
      pen.write("\(digit)")
      return digit
    }
    pen.write("(")
    let left = expression(&pen, depth: depth - 1, isWhole: false)
    let isSum = pen.happens(1, of: 2)
    pen.write(isSum ? " + " : " - ")
    let right = expression(&pen, depth: depth - 1, isWhole: false)
    pen.write(")")
    return isSum ? left + right : left - right
  }
}
