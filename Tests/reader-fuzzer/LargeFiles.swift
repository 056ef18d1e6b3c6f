import Checkpoints
import Datasets
import Foundation
import Training

// What makes each reader take the most memory for a byte of its file.

extension LargeFile {
  static let all: [LargeFile] = tables + arrays + tokenizers + configurations + checkpoints + plans + metrics

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

  // MARK: Arrays

  private static func npy(_ element: String, _ shape: String, isFortran: Bool = false) -> [UInt8] {
    let text =
      "{'descr': '\(element)', 'fortran_order': \(isFortran ? "True" : "False"), 'shape': \(shape), }\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8)
  }

  /// Puts labels for so many samples beside the input.
  private static func addLabels(_ count: Int, to folder: InputFolder) -> String {
    folder.add("labels.npy", npy("|u1", "(\(count),)") + (0..<count).map { UInt8($0 & 1) })
  }

  private static let arrays = [
    LargeFile("npy-of-floats") { file in
      file.add(npy("<f4", "(4096, \(size / 16384))"))
      for _ in 0..<size / 4096 { file.add([UInt8](repeating: 0, count: 4096)) }
    } read: { folder in
      let data = try NPYFiles.load(inputs: folder.file, labels: addLabels(4096, to: folder))
      try require(data.count == 4096, "\(data.count) samples")
    },
    LargeFile("npy-in-another-order") { file in
      file.add(npy(">f4", "(4096, \(size / 16384))", isFortran: true))
      for _ in 0..<size / 4096 { file.add([UInt8](repeating: 0, count: 4096)) }
    } read: { folder in
      let data = try NPYFiles.load(inputs: folder.file, labels: addLabels(4096, to: folder))
      try require(data.count == 4096, "\(data.count) samples")
    },
    LargeFile("npy-of-bytes") { file in
      file.add(npy("|u1", "(4096, \(size / 4096))"))
      for _ in 0..<4096 { file.add([UInt8](repeating: 7, count: size / 4096)) }
    } read: { folder in
      let data = try NPYFiles.load(inputs: folder.file, labels: addLabels(4096, to: folder))
      try require(data.digest() != "", "no digest")
    },
    LargeFile("npy-of-halves") { file in
      file.add(npy("<f2", "(4096, \(size / 8192))"))
      for _ in 0..<4096 { file.add([UInt8](repeating: 7, count: size / 4096)) }
    } read: { folder in
      let data = try NPYFiles.load(inputs: folder.file, labels: addLabels(4096, to: folder))
      try require(data.digest() != "", "no digest")
    },
    LargeFile("npy-of-labels") { file in
      file.add(npy("<i4", "(\(size / 4),)"))
      for index in 0..<size / 4 {
        let label = index % 1_000_000
        file.add((0..<4).map { UInt8(truncatingIfNeeded: label >> (8 * $0)) })
      }
    } read: { folder in
      let inputs = folder.add(
        "inputs.npy", npy("|u1", "(\(size / 4), 1)") + [UInt8](repeating: 1, count: size / 4))
      let data = try NPYFiles.load(inputs: inputs, labels: folder.file)
      try require(data.count == size / 4 && data.classNames.count == 1_000_000, "\(data.classNames.count)")
    },
    LargeFile("npy-of-images") { file in
      file.add(npy("|u1", "(\(size / 1024), 32, 32)"))
      for _ in 0..<size / 1024 { file.add([UInt8](repeating: 7, count: 1024)) }
    } read: { folder in
      let data = try NPYFiles.load(inputs: folder.file, labels: addLabels(size / 1024, to: folder))
      try require(data.count == size / 1024, "\(data.count) samples")
    },
    LargeFile("cifar-of-records") { file in
      for index in 0..<size / 3073 { file.add([UInt8(index % 10)] + [UInt8](repeating: 7, count: 3072)) }
    } read: { folder in
      folder.link("test_batch.bin")
      let images = try CIFAR.load(.cifar10, at: folder.path, split: .test)
      try require(images.count == size / 3073, "\(images.count) images")
    },
    LargeFile("idx-of-images") { file in
      file.add([0, 0, 8, 3, 0, 0, UInt8(size >> 18), 0, 0, 0, 0, 32, 0, 0, 0, 32])
      for _ in 0..<size / 1024 { file.add([UInt8](repeating: 7, count: 1024)) }
    } read: { folder in
      folder.link("split/train-images-idx3-ubyte")
      let count = size / 1024
      _ = folder.add(
        "split/train-labels-idx1-ubyte",
        [0, 0, 8, 1, 0, 0, UInt8(count >> 8), 0] + [UInt8](repeating: 1, count: count))
      let images = try IDXImages.load(at: folder.path + "/split", split: .train)
      try require(images.count == count, "\(images.count) images")
    },
  ]

  // MARK: Tokenizers

  /// A tokenizer.json with the tokens and merges that are written.
  private static func tokenizer(
    _ name: String, isRead: Bool = true,
    tokens: @escaping @Sendable (inout FileWriter) -> Void = { $0.add("\"a\":0") },
    merges: @escaping @Sendable (inout FileWriter) -> Void = { _ in },
    before: @escaping @Sendable (inout FileWriter) -> Void = { _ in }
  ) -> LargeFile {
    LargeFile("tokenizer-of-\(name)", isRead: isRead) { file in
      file.add("{")
      before(&file)
      file.add("\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"vocab\":{")
      tokens(&file)
      file.add("},\"merges\":[")
      merges(&file)
      file.add("]}}")
    } read: { folder in
      let tokenizer = try SavedTokenizer.load(at: folder.file)
      try require(tokenizer.vocabularySize > 0, "no tokens")
    }
  }

  /// Printable, and no escapes in JSON: 92 of them.
  private static let letters = (0x21...0x7E).filter { $0 != 0x22 && $0 != 0x5C }.map {
    String(UnicodeScalar(UInt8($0)))
  }

  /// All texts of one to three letters.
  private static func addShortTokens(to file: inout FileWriter) {
    var (count, names) = (0, [""])
    for length in 1...3 {
      names = names.flatMap { name in letters.map { name + $0 } }
      for name in names {
        file.add("\(count > 0 ? "," : "")\"\(name)\":\(count)")
        count += 1
      }
      if length == 3 { names = [] }
    }
  }

  private static let tokenizers = [
    tokenizer("short-names", tokens: addShortTokens),
    tokenizer("merges", tokens: addShortTokens) { file in
      var separator = ""
      for first in letters {
        for second in letters {
          file.add("\(separator)\"\(first) \(second)\"")
          separator = ","
          for third in letters { file.add(",\"\(first) \(second)\(third)\",\"\(first)\(second) \(third)\"") }
        }
      }
    },
    tokenizer("long-names") { file in
      file.add("\"")
      file.fill(12 << 20, "a")
      file.add("\":0,\"")
      file.fill(24 << 20, "b")
      file.add("\":1")
    },
    tokenizer("long-merges", isRead: false) { file in
      file.add("\"a\":0,\"")
      file.fill(8 << 20, "a")
      file.add("\":1")
    } merges: { file in
      file.add("\"a ")
      file.fill(24 << 20, "a")
      file.add("\"")
    },
    tokenizer("escapes") { file in
      file.add("\"")
      file.fill(15 << 20, "\\u0061")
      file.add("\":0")
    },
    tokenizer("one-id", isRead: false) { file in
      file.add("\"a\":0,\"b\":0")
      file.fill(size, ",\"cde\":0")
    },
    tokenizer("too-many-tokens", isRead: false) { file in
      file.add("\"a\":0")
      file.fill(size, ",\"b\":0")
    },
    tokenizer("too-many-merges", isRead: false) { file in
      file.add("\"a\":0,\"aa\":1")
    } merges: { file in
      file.add("\"a a\"")
      file.fill(size, ",[]")
    },
    tokenizer("repeated-merges", isRead: false) { file in
      file.add("\"a\":0,\"aa\":1")
    } merges: { file in
      file.add("\"a a\"")
      for _ in 1..<1 << 21 { file.add(",\"a a\"") }
    },
    tokenizer(
      "added-tokens",
      before: { file in
        file.add("\"added_tokens\":[")
        for id in 0..<1 << 16 {
          let name = String(id + 1 << 16, radix: 16).dropFirst() + "-of-a-token"
          file.add("\(id > 0 ? "," : ""){\"id\":\(id + 1),\"content\":\"\(name)\"}")
        }
        file.add("],")
      }),
    tokenizer(
      "other-values",
      before: { file in
        file.add("\"post_processor\":[1")
        file.fill(size, ",{}")
        file.add("],")
      }),
    tokenizer(
      "long-keys",
      before: { file in
        file.add("\"")
        file.fill(14 << 20, "k")
        file.add("\":0,\"")
        file.fill(28 << 20, "l")
        file.add("\":0,")
      }),
    LargeFile("tokenizer-of-characters") { file in
      file.add("{\"tokenizer\":\"characters\",\"characters\":\"")
      for value in UInt32(0x80)..<0x11_0000 {
        if let scalar = Unicode.Scalar(value) { file.add(String(scalar)) }
      }
      file.add("\"}")
    } read: { folder in
      let tokenizer = try SavedTokenizer.load(at: folder.file)
      try require(
        tokenizer.vocabularySize == 0x11_0000 - 0x800 - 0x80, "\(tokenizer.vocabularySize) characters")
    },
    LargeFile("tokenizer-of-one-character", isRead: false) { file in
      file.add("{\"tokenizer\":\"characters\",\"characters\":\"")
      file.fill(16 << 20, "a")
      file.add("\"}")
    } read: { folder in
      _ = try SavedTokenizer.load(at: folder.file)
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
        file.fill(ConfigurationNode.sizeLimit - 1, part)
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

  // MARK: Checkpoints

  /// A safetensors file without data.
  private static func safetensors(
    _ name: String, isRead: Bool = true, header: @escaping @Sendable (inout FileWriter) -> Void,
    read: @escaping @Sendable (InputFolder) throws -> Void = { _ = try SafetensorsFile($0.file) }
  ) -> LargeFile {
    LargeFile(name, isRead: isRead) { file in
      file.add([UInt8](repeating: 0, count: 8))
      header(&file)
      file.setLength(file.count - 8)
    } read: { folder in
      try read(folder)
    }
  }

  /// A model file with a text in its metadata.
  private static func model(
    _ name: String, key: String, isRead: Bool = true, value: @escaping @Sendable (inout FileWriter) -> Void
  ) -> LargeFile {
    safetensors("model-of-\(name)", isRead: isRead) { file in
      file.add("{\"__metadata__\":{\"lockstep.\(key)\":\"")
      value(&file)
      file.add("\"}}")
    } read: { folder in
      _ = try ModelFile(at: folder.file)
    }
  }

  private static let checkpoints = [
    safetensors("safetensors-of-tensors") { file in
      let rest = String(repeating: "of.a.layer", count: 30)
      for index in 0..<1 << 16 {
        let value = "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"
        file.add("\(index == 0 ? "{" : ",")\"\(index).\(rest)\":\(value)")
      }
      file.add("}")
    },
    safetensors("safetensors-of-metadata") { file in
      file.add("{\"__metadata__\":{\"a\":\"b\"")
      for index in 1..<1 << 16 { file.add(",\"\(index) is a key\":\"and this its value\"") }
      file.add("}}")
    },
    safetensors("safetensors-of-long-texts") { file in
      file.add("{\"__metadata__\":{\"a\":\"")
      file.fill(15 << 20, "\\n")
      file.add("\",\"b\":\"")
      file.fill(30 << 20, "b")
      file.add("\"}}")
    },
    model("classes", key: "classes") { file in
      file.add("[\\\"a\\\"")
      file.fill(12 << 20, ",\\\"b\\\"")
      file.add("]")
    },
    model("means", key: "normalization", isRead: false) { file in
      file.add("{\\\"kind\\\":\\\"standard\\\",\\\"mean\\\":[0")
      file.fill(1 << 20, ",0")
      file.add("],\\\"standardDeviation\\\":[]}")
    },
    model("shapes", key: "samples", isRead: false) { file in
      file.add("{\\\"inputShape\\\":[0")
      file.fill(1 << 19, ",1")
      file.add("]}")
    },
    model("configurations", key: "configuration", isRead: false) { file in
      file.add("data: [")
      file.fill(1 << 18, "a,")
      file.add("]")
    },
  ]

  // MARK: States and plans

  private static func plan(
    _ name: String, isRead: Bool = false, members: @escaping @Sendable (inout FileWriter) -> Void
  ) -> LargeFile {
    LargeFile("plan-of-\(name)", isRead: isRead) { file in
      file.add("{\"format\":1,\"kind\":\"sweep\",\"compare\":\"loss\",\"start\":\"\",\"members\":[")
      members(&file)
      file.add("]}")
    } read: { folder in
      _ = try MemberPlan([UInt8](Data(contentsOf: URL(fileURLWithPath: folder.file))), at: folder.file)
    }
  }

  private static let plans = [
    plan("members", isRead: true) { file in
      let configuration = String(repeating: "key: a value of some length\\n", count: 60)
      for number in 1...10_000 {
        file.add(
          "\(number > 1 ? "," : ""){\"number\":\(number),\"parameters\":[{\"key\":\"a\",\"value\":\"1\"}],")
        file.add("\"configuration\":\"\(configuration)\"}")
      }
    },
    plan("numbers") { file in file.fill(1 << 21, "0,") },
    plan("keys") { file in
      file.add("{\"number\":1,\"parameters\":[],\"needs\":{\"a\":0")
      for index in 0..<399_980 { file.add(",\"\(index)\":0") }
      file.add("}}")
    },
    LargeFile("state-of-long-texts", isRead: false) { file in
      file.add("{\"identity\":\"")
      file.fill(1 << 24 - 4, "\\n")
      file.add("\"}")
    } read: { folder in
      _ = try RunState([UInt8](Data(contentsOf: URL(fileURLWithPath: folder.file))), at: folder.file)
    },
  ]

  // MARK: Metrics

  private static let metrics =
    [
      ("records", "{\"step\":1,\"epoch\":1,\"split\":\"test\",\"loss\":0,\"seconds\":0}\n"),
      ("waits", "{\"step\":1,\"epoch\":1,\"split\":\"test\",\"loss\":0,\"seconds\":0,\"waits\":[0]}\n"),
      ("events", "{\"event\":\"\",\"step\":1,\"seconds\":0}\n"),
    ].map { name, line in
      LargeFile("metrics-of-\(name)") { file in
        file.fill(8 << 20, line)
      } read: { folder in
        _ = try MetricsRecord.read(at: folder.file)
      }
    }
    + [
      LargeFile("metrics-of-one-line", isRead: false) { file in
        file.add("{\"step\":1,\"epoch\":1,\"split\":\"test\",\"loss\":0,\"seconds\":0,\"waits\":[0")
        file.fill(size, ",0")
        file.add("]}\n")
      } read: { folder in
        _ = try MetricsRecord.read(at: folder.file)
      }
    ]
}
