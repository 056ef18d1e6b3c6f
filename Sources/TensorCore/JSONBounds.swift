/// What JSON of a hostile file could cost a general decoder, found out before one sees it: such a decoder makes some
/// hundred bytes of memory of each value, which may have two bytes in the file.
package enum JSONBounds {
  /// What a text has more of than it may have; nil where it keeps within the bounds. It need not be JSON.
  ///
  /// - Parameters:
  ///   - values: the most values, keys counted too.
  ///   - depth: the deepest nesting.
  package static func excess(in text: some Sequence<UInt8>, values: Int, depth: Int) -> String? {
    var (separators, nesting) = (0, 0)
    var (isInString, isEscaped) = (false, false)
    for byte in text {
      if isInString {
        isInString = isEscaped || byte != UInt8(ascii: "\"")
        isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): isInString = true
      case UInt8(ascii: ","), UInt8(ascii: ":"): separators += 1
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        separators += 1
        nesting += 1
        if nesting > depth { return "more than \(depth) levels of brackets" }
      case UInt8(ascii: "]"), UInt8(ascii: "}"): nesting -= 1
      default: break
      }
      if separators > values { return "more than \(values) values" }
    }
    return nil
  }
}
