/// The inputs of samples: floats, or the numbers of one or two bytes that a file has, which become floats when a sample is
/// taken. So neither takes more memory than its file.
struct StoredInputs: Sendable {
  private enum Place {
    case floats(StoredNumbers<Float>)
    case narrow(StoredNumbers<UInt8>, NPYArray.Element)
  }

  private let place: Place
  /// The numbers.
  let count: Int

  init(_ floats: StoredNumbers<Float>) {
    place = .floats(floats)
    count = floats.count
  }

  /// - Parameter bytes: of elements in the byte order of this machine.
  init(_ bytes: StoredNumbers<UInt8>, of element: NPYArray.Element) {
    place = .narrow(bytes, element)
    count = bytes.count / element.size
  }

  /// Copies samples of `size` numbers each, one behind the other.
  func copy(_ samples: UnsafeBufferPointer<Int>, size: Int, to memory: UnsafeMutablePointer<Float>) {
    let limit = count / size
    func check(_ sample: Int) { precondition(0..<limit ~= sample, "there is no sample \(sample)") }
    switch place {
    case .floats(let floats):
      floats.withUnsafeBufferPointer { floats in
        guard let base = floats.baseAddress else { return }
        for (row, sample) in samples.enumerated() {
          check(sample)
          (memory + row * size).update(from: base + sample * size, count: size)
        }
      }
    case .narrow(let bytes, let element):
      bytes.withUnsafeBufferPointer { bytes in
        for (row, sample) in samples.enumerated() {
          check(sample)
          let floats = UnsafeMutableBufferPointer(start: memory + row * size, count: size)
          element.writeFloats(of: UnsafeRawBufferPointer(bytes), from: sample * size, to: floats)
        }
      }
    }
  }

  /// Gives `body` the numbers of each of these samples, of `size` numbers.
  func forEach(_ samples: [Int], size: Int, _ body: (UnsafePointer<Float>) -> Void) {
    let sample = UnsafeMutablePointer<Float>.allocate(capacity: size)
    defer { sample.deallocate() }
    samples.withUnsafeBufferPointer { samples in
      for index in samples.indices {
        copy(UnsafeBufferPointer(rebasing: samples[index...index]), size: size, to: sample)
        body(sample)
      }
    }
  }

  /// Adds the numbers as floats, however they are kept.
  func add(to hash: inout ContentHash) {
    switch place {
    case .floats(let floats): hash.add(floats)
    case .narrow(let bytes, let element):
      bytes.withUnsafeBufferPointer { bytes in
        hash.addFloats(count) { first, floats in
          element.writeFloats(of: UnsafeRawBufferPointer(bytes), from: first, to: floats)
        }
      }
    }
  }

  // MARK: In memory that several processes see

  /// How the numbers are kept, in a word; nil for floats.
  var form: String? {
    if case .narrow(_, let element) = place { return element.rawValue }
    return nil
  }

  func add(to archive: inout DataArchive) {
    switch place {
    case .floats(let floats): archive.add(floats)
    case .narrow(let bytes, _): archive.add(bytes)
    }
  }

  init(from archive: inout DataArchive.Reader, form: String?) throws(DatasetError) {
    if let element = form.flatMap(NPYArray.Element.init) {
      self.init(try archive.nextNumbers(UInt8.self), of: element)
    } else {
      self.init(try archive.nextNumbers(Float.self))
    }
  }
}
