/// The words of `BuiltInText`, the frequent ones first.
///
/// A list's words differ from those of every list that could stand in the same place, so that a text tells
/// how it was made. Nouns and verbs take a plain "s".
enum TextLexicon {
  struct Person: Sendable, Equatable {
    let name: String
    let pronoun: String
  }

  static let people: [Person] =
    ["Mara", "Ilse", "Nora", "Wanda", "Greta", "Della"].map { Person(name: $0, pronoun: "She") }
    + ["Tobin", "Oskar", "Felix", "Hugo", "Rufus", "Paul"].map { Person(name: $0, pronoun: "He") }

  static let nouns = words(
    """
    boat river lantern garden wheel crow baker stone ladder kettle window farmer basket cloud hammer orchard \
    ribbon tower badger letter mirror candle barrel pigeon saddle violin island miller acorn engine otter \
    umbrella kite needle pillow quilt turnip jar anvil zebra
    """)
  static let adjectives = words(
    """
    old small quiet heavy bright round empty early crooked gentle wooden narrow open velvet frozen humble \
    amber dusty eager hollow jolly steep young zigzag
    """)
  /// With an object.
  static let transitiveVerbs = words(
    "see follow collect paint need hold mend admire borrow lift praise count hide move question quote")
  /// Without one.
  static let intransitiveVerbs = words(
    "wait drift sleep sing tremble wander glow rest dance shiver turn whisper linger swim yawn")
  static let placeWords = words("in on under behind beside above")
  static let places = words("valley harbour market meadow forest kitchen attic courtyard bridge tunnel")
  static let speaking = words("says thinks hopes dreams fears")
  static let colours = words("red green blue white black yellow violet orange")

  static let singularDeterminers = words("the a every this")
  static let pluralDeterminers = words("the some these many two three")

  /// The words of each line rhyme.
  static let rhymes = [
    words("night light height sight"), words("moon dune noon lagoon"), words("hill mill sill drill"),
    words("stream gleam dream beam"), words("bay day clay spray"), words("sea tree lea quay"),
  ]

  static let consonants = words("b d f g k l m n p r s t v z")
  static let vowels = words("a e i o u")

  private static func words(_ text: String) -> [String] {
    text.split(separator: " ").map(String.init)
  }
}
