import Datasets
import TensorCore
import Testing

@Suite struct CSVTests {
  private func load(
    _ text: String, _ columns: CSVColumns, like training: CSVTable? = nil
  ) throws -> CSVTable {
    let folder = try TemporaryFolder()
    let path = try folder.write(Array(text.utf8), to: "data.csv")
    return try CSVTable.load(at: path, columns: columns, like: training)
  }

  private func refusal(_ text: String, _ columns: CSVColumns, like training: CSVTable? = nil) -> String {
    let error = #expect(throws: DatasetError.self) { try load(text, columns, like: training) }
    return error?.description ?? ""
  }

  private let byLabel = CSVColumns(label: "kind")

  @Test func columnsBecomeInputsAndSortedClasses() throws {
    let table = try load("a,kind,b\n1,dog,2.5\n-3,cat,4e1\n5,dog,6\n", byLabel)
    #expect(table.inputNames == ["a", "b"])
    #expect(table.data.inputShape == [2])
    #expect(table.data.classNames == ["cat", "dog"])
    #expect(table.data.filled([2, 0, 1]).inputs == [5, 6, 1, 2.5, -3, 40])
    #expect(table.data.filled([0, 1, 2]).targets == [1, 0, 1])
  }

  @Test func quotesMayHoldDelimitersBreaksAndQuotes() throws {
    let text =
      "\"a,b\",kind\r\n\"1\",\"x\"\"y\"\"\"\r\n2,\"line\nbreak, and more\"\r\n3,\" padded\"\r\n4, plain \r\n"
    let table = try load(text, byLabel)
    #expect(table.inputNames == ["a,b"])
    #expect(table.data.classNames == [" padded", "line\nbreak, and more", "plain", "x\"y\""])
    #expect(table.data.filled([0, 1, 2, 3]).targets == [3, 1, 0, 2])
  }

  @Test func marksLineEndsAndEmptyLinesMakeNoDifference() throws {
    let plain = try load("a,kind\n1,x\n2,y\n", byLabel).data.digest()
    for text in [
      "\u{FEFF}a,kind\n1,x\n2,y\n", "a,kind\r\n1,x\r\n2,y\r\n", "a,kind\n1,x\n2,y",
      "a,kind\n\n1,x\n\r\n2,y\n\n",
      "a,kind\n 1 ,x\n2\t, y\n",
    ] { #expect(try load(text, byLabel).data.digest() == plain) }
    #expect(try load("a;kind\n1;x\n2;y\n", CSVColumns(label: "kind", delimiter: ";")).data.digest() == plain)
  }

  @Test func columnsGoByNumberWithoutHeader() throws {
    let table = try load("1,2,9\n3,4,8\n", CSVColumns(values: ["3", "1"], hasHeader: false))
    #expect(table.data.target == .values(2))
    #expect(table.data.filled([1, 0]).inputs == [4, 2])
    #expect(table.data.filled([1, 0]).targets == [8, 3, 9, 1])
  }

  @Test func aNameGoesBeforeANumber() throws {
    let table = try load("2,1\n10,20\n30,40\n", CSVColumns(values: ["1"]))
    #expect(table.inputNames == ["2"])
    #expect(table.data.filled([0]).targets == [20])
  }

  @Test func classesThatAreNumbersAreSortedAsNumbers() throws {
    #expect(try load("a,kind\n1,10\n1,9\n1,-1\n", byLabel).data.classNames == ["-1", "9", "10"])
    #expect(try load("a,kind\n1,10\n1,9\n1,x\n", byLabel).data.classNames == ["10", "9", "x"])
  }

  @Test func weightsComeAlong() throws {
    let columns = CSVColumns(label: "kind", weight: "w")
    let table = try load("w,a,kind\n0.5,1,x\n2,2,y\n", columns)
    #expect(table.data.isWeighted)
    #expect(table.inputNames == ["a"])
    #expect(table.data.filledWithWeights([1, 0]).weights == [2, 0.5])
    #expect(refusal("w,a,kind\n-1,1,x\n2,2,y\n", columns).contains("row 2, column 1 ('w')"))
  }

  @Test func aSecondFileMayHaveItsColumnsInAnotherOrder() throws {
    let training = try load("a,b,kind\n1,2,x\n3,4,y\n", byLabel)
    let test = try load("kind,extra,b,a\ny,0,20,10\n", byLabel, like: training)
    #expect(test.data.filled([0]).inputs == [10, 20])
    #expect(test.data.filled([0]).targets == [1])
    #expect(test.data.classNames == ["x", "y"])
    let unknown = refusal("a,b,kind\n1,2,x\n1,2,z\n", byLabel, like: training)
    #expect(unknown.contains("row 3") && unknown.contains("'z'"))
  }

  @Test(arguments: [
    ("a,kind\n1,x\n,y\n", "row 3, column 1 ('a')", "nothing"),
    ("a,kind\n1,x\ntwo,y\n", "row 3, column 1 ('a')", "'two'"),
    ("a,kind\n1,x\n1e99,y\n", "row 3, column 1 ('a')", "'1e99'"),
    ("a,kind\nnan,x\n1,y\n", "row 2, column 1 ('a')", "'nan'"),
    ("a,kind\n1,x\n2,\n", "row 3, column 2 ('kind')", "none"),
    ("a,kind\n1,x\n\n2,y,z\n", "row 4", "3"),
    ("a,kind\n1,x\n2\n", "row 3", "1."),
    ("a,kind\n1,\"x\n2,y\n", "row 2, column 2", "the end of the file"),
    ("a,kind\n1,\"x\"z\n2,y\n", "row 2, column 2", "more text"),
    ("a,kind\n1,x\"z\"\n2,y\n", "row 2, column 2", "in the middle"),
    ("a,kind\n1,x\n2,x\n", "data.csv", "only 'x'"),
    ("a,kind\n", "data.csv", "none behind the header"),
    ("", "data.csv", "none"),
    ("b,c\n1,x\n", "'kind'", "b, c"),
    ("a,kind,kind\n1,x,y\n", "'kind'", "[2, 3]"),
    ("kind\nx\ny\n", "predict from", "none"),
  ])
  func whatIsWrongIsNamedWithItsPlace(_ text: String, _ place: String, _ found: String) throws {
    let message = refusal(text, byLabel)
    #expect(message.contains("data.csv") && message.contains(place) && message.contains(found))
  }

  @Test func aColumnServesOnePurpose() throws {
    let text = "a,kind\n1,x\n2,y\n"
    #expect(refusal(text, CSVColumns()).contains("neither"))
    #expect(refusal(text, CSVColumns(label: "kind", values: ["a"])).contains("both"))
    #expect(refusal(text, CSVColumns(label: "kind", weight: "2")).contains("as label and as weight"))
    #expect(refusal(text, CSVColumns(label: "kind", inputs: ["kind"])).contains("as label and as input"))
    #expect(refusal(text, CSVColumns(label: "3")).contains("'3'"))
  }

  @Test func otherTextIsRefused() throws {
    let folder = try TemporaryFolder()
    let wide = try folder.write([0xFF, 0xFE, 0x61, 0, 0x2C, 0], to: "wide.csv")
    let wideError = #expect(throws: DatasetError.self) { try CSVTable.load(at: wide, columns: byLabel) }
    #expect(wideError?.description.contains("UTF-16") == true)
    let latin = try folder.write(Array("a,kind\n1,".utf8) + [0xE9, 10], to: "latin.csv")
    #expect(throws: DatasetError.self) { try CSVTable.load(at: latin, columns: byLabel) }
    #expect(throws: DatasetError.self) { try CSVTable.load(at: folder.path, columns: byLabel) }
  }

  @Test func gzippedTablesAreRead() throws {
    let folder = try TemporaryFolder()
    var text = "a,kind\n"
    for row in 0..<40_000 { text += "\(row),\(row % 3)\n" }
    let path = try folder.writeGzipped(Array(text.utf8), to: "data.csv.gz")
    let table = try CSVTable.load(at: path, columns: byLabel)
    #expect(table.data.count == 40_000)
    #expect(table.data.filled([39_999]).inputs == [39_999])
    #expect(table.data.filled([39_999]).targets == [0])
  }

  @Test func whereAFileIsCutIntoPiecesMakesNoDifference() throws {
    let folder = try TemporaryFolder()
    // Files are read in pieces of 2¹⁷ bytes, of which the first ends at each byte of these rows.
    let rows = "1,\"a \"\"b\"\"\r\n,\"\r\n-2.5e-1 , c\rd\r\n\r\n\n3,\"\"\"\"\n4,\"e\"\r\n"
    let expected = try load("x,kind\n" + rows, byLabel).data
    #expect(expected.classNames == ["\"", "a \"b\"\r\n,", "c\rd", "e"])
    let header = "x,kind\n"
    for offset in 0...rows.utf8.count {
      let emptyLines = String(repeating: "\n", count: (1 << 17) - header.utf8.count - offset)
      let path = try folder.write(Array((header + emptyLines + rows).utf8), to: "data.csv")
      let data = try CSVTable.load(at: path, columns: byLabel).data
      #expect(data.digest() == expected.digest(), "\(offset)")
    }
    let cut = try folder.write(
      Array(("x,kind\n" + String(repeating: "1,a\n", count: 40_000) + "2,\"b").utf8), to: "cut")
    let error = #expect(throws: DatasetError.self) { try CSVTable.load(at: cut, columns: byLabel) }
    #expect(error?.diagnosis.place.hasSuffix("row 40002, column 2") == true)
  }

  @Test func aRowIsBounded() throws {
    let long = String(repeating: "a", count: 15 << 20)
    let table = try load("x,kind\n1,\(long)\n2,b\n", byLabel)
    #expect(table.data.classNames.map(\.utf8.count) == [15 << 20, 1])
    #expect(
      refusal("x,kind\n1,a\n2,\"\(long)\(long)", byLabel).contains("row 3: expected a row of at most 16 MiB"))
  }

  @Test func numbersAreTheFloatsNearestToThem() throws {
    func isSame(_ text: String) -> Bool {
      let found = Array(text.utf8).withUnsafeBufferPointer { PlainDecimal.float($0) }
      return found.map { $0.bitPattern == Float(text)?.bitPattern } ?? true
    }
    func isLeft(_ text: String) -> Bool {
      Array(text.utf8).withUnsafeBufferPointer { PlainDecimal.float($0) == nil }
    }
    var random = RandomStream(seed: 7, purpose: .test)
    func word() -> UInt64 { UInt64(random.next()) << 32 | UInt64(random.next()) }
    var left = 0
    for _ in 0..<200_000 {
      let float = Float(bitPattern: random.next())
      // Floats as they are written, a digit more, and the middles between two of them with their neighbours.
      let middle = (Double(float) + Double(float.nextUp)) / 2
      for text in [
        "\(float)", "\(float)1", "\(middle)", "\(middle.nextUp)", "\(middle.nextDown)", "\(Double(float))",
      ] {
        #expect(isSame(text), "\(text)")
      }
      let mantissa = word() >> (word() & 63)
      let short = "\(Int64(bitPattern: mantissa >> 1))e\(Int(word() % 60) - 30)"
      #expect(isSame(short), "\(short)")
      let plain = "-\(mantissa >> 44).\(word() >> 34)"
      #expect(isSame(plain), "\(plain)")
      if isLeft(plain) { left += 1 }
    }
    #expect(left < 100)
    for text in [
      "0", "-0", "-0.000", "0e9", "007", "1", "-1.5", "16777217", "16777219", "1E5", "1e+5", "1e-5",
    ] {
      #expect(isSame(text), "\(text)")
    }
    for text in [
      "", "-", "+1", ".5", "1.", "1e", "1e+", "1 ", " 1", "0x1", "inf", "nan", "1e1000",
      "1e99999999999999999999", "1-", "--1", "1.5.2", "1e5e5", "12345678901234567890", "1e39", "1e-39",
    ] {
      #expect(isLeft(text), "\(text)")
    }
  }

  @Test func eachColumnIsStandardized() throws {
    var text = "year,flat,kind\n"
    for row in 0..<50 { text += "\(2000 + row % 10),7,\(row % 2)\n" }
    let data = try load(text, byLabel).data
    let normalization = data.standardNormalization()
    #expect(normalization.mean == [2004.5, 7])
    #expect(abs(normalization.standardDeviation[0] - 8.25.squareRoot()) < 1e-12)
    #expect(normalization.standardDeviation[1] == 1)
    let filled = try data.normalized(by: normalization).filled([3, 0]).inputs
    #expect(filled == [Float(-1.5 / 8.25.squareRoot()), 0, Float(-4.5 / 8.25.squareRoot()), 0])
    // Statistics of some samples only.
    let some = data.standardNormalization(of: [0, 2])
    #expect(some.mean == [2001, 7] && some.standardDeviation == [1, 1])
    #expect(throws: DatasetError.self) { try data.normalized(by: .unit) }
    #expect(throws: DatasetError.self) {
      try data.normalized(by: .standard(mean: [0], standardDeviation: [1]))
    }
  }
}
