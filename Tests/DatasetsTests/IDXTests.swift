import Datasets
import Foundation
import Testing

@Suite struct IDXTests {
  @Test func everyElementTypeIsReadBigEndian() throws {
    let folder = try TemporaryFolder()
    let cases: [(UInt8, [UInt8], [Double])] = [
      (0x08, [0x00, 0xFE], [0, 254]),
      (0x09, [0x01, 0xFE], [1, -2]),
      (0x0B, [0x01, 0x02, 0xFF, 0xFE], [258, -2]),
      (0x0C, [0x00, 0x01, 0x00, 0x02, 0xFF, 0xFF, 0xFF, 0xFD], [65538, -3]),
      (0x0D, [0x3F, 0xC0, 0x00, 0x00, 0xC0, 0x20, 0x00, 0x00], [1.5, -2.5]),
      (0x0E, [0x3F, 0xF8, 0, 0, 0, 0, 0, 0, 0xC0, 0x04, 0, 0, 0, 0, 0, 0], [1.5, -2.5]),
    ]
    for (element, bytes, values) in cases {
      let array = try IDXArray(contentsOf: folder.write(idx(element, [1, 2], bytes), to: "a"))
      #expect(array.element.rawValue == element)
      #expect(array.shape == [1, 2])
      #expect(array.doubles() == values)
      #expect(array.floats() == values.map(Float.init))
    }
  }

  @Test func contentsDecideWhetherAFileIsGzipped() throws {
    let folder = try TemporaryFolder()
    let bytes = idx([2, 3], [1, 2, 3, 4, 5, 6])
    let plain = try IDXArray(contentsOf: folder.write(bytes, to: "plain.gz"))
    let gzipped = try IDXArray(contentsOf: folder.writeGzipped(bytes, to: "gzipped"))
    #expect(plain.bytes == [1, 2, 3, 4, 5, 6])
    #expect(gzipped.bytes == plain.bytes)
    #expect(gzipped.shape == [2, 3])
  }

  @Test func gzipMembersAreReadOneBehindTheOther() throws {
    let folder = try TemporaryFolder()
    let bytes = idx([6], [1, 2, 3, 4, 5, 6])
    try folder.writeGzipped(Array(bytes[..<9]), to: "a")
    try folder.writeGzipped(Array(bytes[9...]), to: "b")
    let path = try folder.write(folder.read("a") + folder.read("b"), to: "both")
    #expect(try IDXArray(contentsOf: path).bytes == [1, 2, 3, 4, 5, 6])
  }

  @Test func aFileLargerThanTheReadBufferIsReadWhole() throws {
    let folder = try TemporaryFolder()
    var state: UInt32 = 1
    let contents = (0..<700_000).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
    let bytes = idx([700_000], contents)
    #expect(try IDXArray(contentsOf: folder.write(bytes, to: "a")).bytes == contents)
    #expect(try IDXArray(contentsOf: folder.writeGzipped(bytes, to: "b")).bytes == contents)
  }

  @Test func aFileCutAnywhereIsRefused() throws {
    let folder = try TemporaryFolder()
    let bytes = idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])
    for length in 0..<bytes.count {
      let path = try folder.write(Array(bytes[..<length]), to: "a")
      let error = #expect(throws: DatasetError.self) { try IDXArray(contentsOf: path) }
      #expect(error?.diagnosis.place == path)
    }
  }

  @Test func aGzippedFileCutAnywhereIsRefused() throws {
    let folder = try TemporaryFolder()
    try folder.writeGzipped(idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]), to: "whole")
    let bytes = try folder.read("whole")
    for length in 0..<bytes.count {
      let path = try folder.write(Array(bytes[..<length]), to: "a")
      #expect(throws: DatasetError.self) { try IDXArray(contentsOf: path) }
    }
  }

  @Test func aBitFlippedInAGzippedFileIsRefusedOrHarmless() throws {
    let folder = try TemporaryFolder()
    let contents = (0..<40).map { UInt8($0 * $0 % 251) }
    try folder.writeGzipped(idx([40], contents), to: "whole")
    let bytes = try folder.read("whole")
    var refused = 0
    for bit in 0..<8 * bytes.count {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      let path = try folder.write(damaged, to: "a")
      do {
        // Time, file system and the like in gzip's header may say what they want.
        #expect(try IDXArray(contentsOf: path).bytes == contents)
      } catch {
        refused += 1
      }
    }
    #expect(refused > 8 * (bytes.count - 12))
  }

  @Test func everyBitFlippedInTheHeaderOfImagesIsRefused() throws {
    let folder = try TemporaryFolder()
    let bytes = idx([3, 2, 2], [UInt8](repeating: 7, count: 12))
    try folder.write(idx([3], [1, 2, 3]), to: "train-labels-idx1-ubyte")
    for bit in 0..<8 * 16 {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      try folder.write(damaged, to: "train-images-idx3-ubyte")
      #expect(throws: DatasetError.self, "bit \(bit)") {
        try IDXImages.load(at: folder.path, split: .train)
      }
    }
  }

  @Test func dataBehindTheElementsAreRefused() throws {
    let folder = try TemporaryFolder()
    let bytes = idx([2], [1, 2, 3])
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: folder.write(bytes, to: "a")) }
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: folder.writeGzipped(bytes, to: "b")) }
    try folder.writeGzipped(idx([2], [1, 2]), to: "c")
    let padded = try folder.write(folder.read("c") + [1, 2, 3], to: "d")
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: padded) }
  }

  @Test func aGzipBombIsNotInflated() throws {
    let folder = try TemporaryFolder()
    let path = try folder.writeGzipped(idx([16], []), zeros: 256 << 20, to: "bomb")
    let before = peakMemory()
    let error = #expect(throws: DatasetError.self) { try IDXArray(contentsOf: path) }
    #expect(error?.description.contains("more data") == true)
    // Other tests may run meanwhile, and need some.
    #expect(peakMemory() - before < 160 << 20)
  }

  @Test func giantShapesAreRefusedBeforeMemoryIsAskedFor() throws {
    let folder = try TemporaryFolder()
    let most = UInt32.max
    for shape: [UInt32] in [
      [most], [most, most], [1, most, most], [most, most, most, most, most, most, most, most],
      [2, 0x8000_0000, 0x8000_0000, 2], [0, most, most, most], [most, most, 0], [10_000_000],
    ] {
      for element: UInt8 in [0x08, 0x0E] {
        let bytes = idx(element, shape, [0, 0])
        #expect(throws: DatasetError.self) { try IDXArray(contentsOf: folder.write(bytes, to: "a")) }
        #expect(throws: DatasetError.self) {
          try IDXArray(contentsOf: folder.writeGzipped(bytes, to: "b"))
        }
      }
    }
  }

  @Test func whatIsNoFileOrNoIDXFileIsRefused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: folder.path) }
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: folder.path + "/nothing") }
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: "/dev/zero") }
    let text = try folder.write(Array("hello, world".utf8), to: "text")
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: text) }
    let scalar = try folder.write(idx([], [1]), to: "scalar")
    #expect(throws: DatasetError.self) { try IDXArray(contentsOf: scalar) }
  }

  private func peakMemory() -> Int {
    var usage = rusage()
    // Of this process; the name RUSAGE_SELF has the wrong type in Glibc's overlay.
    getrusage(0, &usage)
    return usage.ru_maxrss << 10
  }
}
