/// The tokens of a text, with 16 bits each where the vocabulary allows it and with 32 otherwise.
enum TokenMemory: Sendable {
  case narrow(StoredNumbers<UInt16>)
  case wide(StoredNumbers<Int32>)

  init(_ tokens: [Int32], vocabularySize: Int) {
    if vocabularySize <= 1 << 16 {
      self = .narrow(StoredNumbers(tokens.map { UInt16(truncatingIfNeeded: $0) }))
    } else {
      self = .wide(StoredNumbers(tokens))
    }
  }

  var count: Int {
    switch self {
    case .narrow(let tokens): tokens.count
    case .wide(let tokens): tokens.count
    }
  }

  /// Writes `count` tokens from `start` on as floats, and the labels: for each the token behind it.
  func copy(
    from start: Int, count: Int, inputs: UnsafeMutablePointer<Float>,
    labels: UnsafeMutablePointer<Int32>
  ) {
    switch self {
    case .narrow(let tokens):
      tokens.withUnsafeBufferPointer { Self.copy($0, from: start, count: count, inputs, labels) }
    case .wide(let tokens):
      tokens.withUnsafeBufferPointer { Self.copy($0, from: start, count: count, inputs, labels) }
    }
  }

  private static func copy<Token: BinaryInteger>(
    _ tokens: UnsafeBufferPointer<Token>, from start: Int, count: Int,
    _ inputs: UnsafeMutablePointer<Float>, _ labels: UnsafeMutablePointer<Int32>
  ) {
    precondition(start >= 0 && start + count < tokens.count, "a window reaches beyond the text")
    for index in 0..<count {
      inputs[index] = Float(tokens[start + index])
      labels[index] = Int32(truncatingIfNeeded: tokens[start + index + 1])
    }
  }

  /// Adds tokens to a hash, the same for either width.
  func add(_ range: Range<Int>, to hash: inout ContentHash) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + (1 << 16), range.upperBound)
      switch self {
      case .narrow(let tokens):
        hash.add(tokens.withUnsafeBufferPointer { $0[start..<end].map(Int32.init) })
      case .wide(let tokens): hash.add(tokens.withUnsafeBufferPointer { Array($0[start..<end]) })
      }
      start = end
    }
  }
}

extension TokenMemory: ShareableData {
  func add(to archive: inout DataArchive) {
    switch self {
    case .narrow(let tokens):
      archive.add(true)
      archive.add(tokens)
    case .wide(let tokens):
      archive.add(false)
      archive.add(tokens)
    }
  }

  init(from archive: inout DataArchive.Reader) throws(DatasetError) {
    self =
      try archive.next(Bool.self)
      ? .narrow(archive.nextNumbers(UInt16.self)) : .wide(archive.nextNumbers(Int32.self))
  }
}
