import TensorCore

extension TextWindows {
  /// A fold of a text, whose order means something: the tokens are cut into `fold.count` blocks one behind the other, whose
  /// lengths differ by at most one. Validated is on the block, in windows that tell each of its tokens once; trained on
  /// are the windows that lie before it or behind it, labels included, as they are here.
  ///
  /// Throws where either part would have no window.
  public func hold(
    _ fold: Fold, at place: String = "the text"
  ) throws(DatasetError) -> (training: Subset, validation: TextWindows) {
    let start = range.lowerBound
    func border(_ index: Int) -> Int { start + range.count * index / fold.count }
    let block = border(fold.index)..<border(fold.index + 1)
    // The windows whose last label lies before the block, and those that begin behind it.
    func windows(before token: Int) -> Int { min(count, max(0, token - start + stride - 1) / stride) }
    let before = 0..<windows(before: block.lowerBound - context)
    let behind = windows(before: block.upperBound)..<count
    // Its first token is told too, where there is one before it.
    let told = max(block.lowerBound - 1, start)..<block.upperBound
    guard !before.isEmpty || !behind.isEmpty, told.count > context else {
      throw DatasetError(
        at: place,
        expected: "\(fold.count) blocks of more than \(context) tokens, with a window outside of each",
        found: "\(range.count) tokens",
        remedy: "Choose fewer folds or a shorter data.context, or name a longer text.")
    }
    let validation = try TextWindows(
      tokens, told, vocabularySize: vocabularySize, context: context, stride: context, at: place)
    return (Subset(of: self, before, behind), validation)
  }
}
