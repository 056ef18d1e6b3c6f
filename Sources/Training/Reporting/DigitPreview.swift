/// Draws a few 28 x 28 images on a terminal with what the model takes them for, so that one can see with
/// one's own eyes that it has learned something.
public enum DigitPreview {
  /// What to draw with.
  public enum Style: Sendable {
    /// Two pixels a character, in 24 greys.
    case color
    /// Two pixels a character, black and white.
    case blocks
    /// One character for two pixels, in ASCII.
    case ascii
  }

  static let side = 28

  /// - Parameters:
  ///   - images: `[count, 28, 28]`, row by row, in any range: each image is stretched to its own.
  ///   - predicted: `[count]`, the classes that the model says.
  ///   - actual: `[count]`, the true classes.
  ///   - columns: the terminal's width; as many images stand side by side as fit.
  /// - Returns: lines, each with its end.
  public static func render(
    images: [Float], predicted: [Int], actual: [Int], columns: Int, style: Style
  ) -> String {
    let size = side * side
    precondition(
      images.count == predicted.count * size && actual.count == predicted.count,
      "\(images.count) pixels, \(predicted.count) predicted and \(actual.count) true classes")
    let perRow = max(1, (columns + gap) / (side + gap))
    var lines: [String] = []
    for start in stride(from: 0, to: predicted.count, by: perRow) {
      let row = start..<min(start + perRow, predicted.count)
      let pictures = row.map { Self.lines(of: images[$0 * size..<($0 + 1) * size], style: style) }
      let space = String(repeating: " ", count: gap)
      for line in 0..<side / 2 {
        lines.append(pictures.map { $0[line] }.joined(separator: space))
      }
      let captions = row.map { index -> String in
        let text = caption(predicted: predicted[index], actual: actual[index], style: style)
        return text + String(repeating: " ", count: max(0, side - text.count))
      }
      var last = captions.joined(separator: space)
      while last.last == " " { last.removeLast() }
      lines.append(last)
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private static let gap = 2

  private static func caption(predicted: Int, actual: Int, style: Style) -> String {
    if predicted == actual { return style == .ascii ? "  \(predicted), right" : "  \(predicted) ✓" }
    return "  \(predicted)\(style == .ascii ? "," : " ✗") is \(actual)"
  }

  /// The 14 lines of one image.
  private static func lines(of image: ArraySlice<Float>, style: Style) -> [String] {
    let finite = image.filter(\.isFinite)
    let lowest = finite.min() ?? 0
    let range = (finite.max() ?? 0) - lowest
    let brightness = image.map { pixel -> Float in
      guard pixel.isFinite, range > 0 else { return 0 }
      return (pixel - lowest) / range
    }
    return (0..<side / 2).map { line in
      var text = ""
      for column in 0..<side {
        let top = brightness[2 * line * side + column]
        let bottom = brightness[(2 * line + 1) * side + column]
        switch style {
        case .color: text += "\u{1B}[38;5;\(grey(top));48;5;\(grey(bottom))m▀"
        case .blocks:
          switch (top >= 0.5, bottom >= 0.5) {
          case (true, true): text += "█"
          case (true, false): text += "▀"
          case (false, true): text += "▄"
          case (false, false): text += " "
          }
        case .ascii:
          let shades = Array(" .:-=+*#%@")
          text.append(shades[Int((top + bottom) / 2 * Float(shades.count - 1) + 0.5)])
        }
      }
      return style == .color ? text + "\u{1B}[0m" : text
    }
  }

  /// One of the 24 greys of the 256-color palette, 232...255.
  private static func grey(_ brightness: Float) -> Int { 232 + Int(brightness * 23 + 0.5) }
}
