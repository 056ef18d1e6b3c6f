import Checkpoints
import Datasets
import Foundation
import Training

// What makes each reader take the most memory for a byte of its file.

extension LargeFile {
  static let all: [LargeFile] = tables + configurations

  private static let size = 24 << 20

  // MARK: Tables

  private static let tables = [
    LargeFile("csv-of-digits") { file in
      file.fill(size, String(repeating: "1,", count: 63) + "2\n")
    } read: { folder in
      let columns = CSVColumns(values: ["64"], hasHeader: false)
      let table = try CSVTable.load(at: folder.file, columns: columns)
      try require(table.data.count == size / 128, "\(table.data.count) rows")
    },
    LargeFile("csv-of-short-rows") { file in
      file.add("x,y\n")
      file.fill(size, "1,a\n2,b\n")
    } read: { folder in
      let table = try CSVTable.load(at: folder.file, columns: CSVColumns(label: "y"))
      try require(table.data.count == (size - 4) / 8 * 2, "\(table.data.count) rows")
    },
    LargeFile("csv-of-inputs-alone") { file in
      file.fill(size, "1\n")
    } read: { folder in
      let data = try CSVTable.loadInputs(at: folder.file, named: ["1"], hasHeader: false)
      try require(data.count == size / 2, "\(data.count) rows")
    },
    LargeFile("csv-of-classes") { file in
      file.add("x,y\n")
      for row in 0..<1 << 17 { file.add("1,class \(row) of \(String(repeating: "many ", count: 30))\n") }
    } read: { folder in
      let table = try CSVTable.load(at: folder.file, columns: CSVColumns(label: "y"))
      try require(table.data.classNames.count == 1 << 17, "\(table.data.classNames.count) classes")
    },
    LargeFile("csv-of-columns") { file in
      file.add(String(repeating: "a,", count: (1 << 17) - 1) + "b\n")
      while file.count < size { file.add(String(repeating: "1,", count: (1 << 17) - 1) + "2\n") }
    } read: { folder in
      _ = try CSVTable.load(at: folder.file, columns: CSVColumns(values: ["b"]))
    },
    LargeFile("csv-of-quotes") { file in
      file.add("x,\"")
      file.fill(15 << 20, "\"\"")
      file.add("\"\n1,a\n2,b\n")
    } read: { folder in
      let table = try CSVTable.load(at: folder.file, columns: CSVColumns(label: "2"))
      try require(table.data.count == 2, "\(table.data.count) rows")
    },
    LargeFile("csv-of-one-open-quote", isRead: false) { file in
      file.add("x,y\n1,a\n\"")
      file.fill(2 * size, "1,a\n")
    } read: { folder in
      _ = try CSVTable.load(at: folder.file, columns: CSVColumns(label: "y"))
    },
  ]

  // MARK: Configurations

  private static let configurations: [LargeFile] =
    [
      ("scalars", "data: [", "a,"), ("pairs", "data: {a: b", ",? "), ("lists", "", "- \n"),
      ("dashes", "", "- - a\n"),
      ("brackets", "data: [", "[],"), ("quotes", "data: [", "'',"),
    ].map { name, beginning, part in
      LargeFile("configuration-of-\(name)", isRead: false) { file in
        file.add(beginning)
        file.fill((1 << 18) - 1, part)
        if beginning.hasSuffix("[") { file.add("]") }
      } read: { folder in
        _ = try RunConfiguration.load(folder.file)
      }
    } + [
      LargeFile("configuration-that-is-data", isRead: false) { file in
        file.fill(size, "a: [b, c]\n")
      } read: { folder in
        _ = try RunConfiguration.load(folder.file)
      }
    ]
}
