import Datasets
import Testing

@Suite struct CIFARTests {
  /// A record whose three planes are of one byte each.
  private func record(_ labels: [UInt8], _ red: UInt8, _ green: UInt8, _ blue: UInt8) -> [UInt8] {
    labels + [red, green, blue].flatMap { [UInt8](repeating: $0, count: 1024) }
  }

  private func ten() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for batch in 1...5 {
      let number = UInt8(batch)
      try folder.write(record([number], number, 50, 60) + record([9], 9, 8, 7), to: "data_batch_\(batch).bin")
    }
    try folder.write(record([3], 1, 2, 3), to: "test_batch.bin")
    return folder
  }

  @Test func theFiveBatchesFollowEachOther() throws {
    let folder = try ten()
    let train = try CIFAR.load(.cifar10, at: folder.path, split: .train, normalization: .none)
    #expect(train.count == 10 && train.inputShape == [3, 32, 32] && train.target == .classes(10))
    let filled = train.filled(Array(0..<10))
    #expect(filled.targets == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9])
    #expect(filled.inputs[2 * 3072] == 2 && filled.inputs[2 * 3072 + 1024] == 50)
    #expect(filled.inputs[2 * 3072 + 3071] == 60 && filled.inputs[3 * 3072] == 9)
    let test = try CIFAR.load(.cifar10, at: folder.path, split: .test, normalization: .none)
    #expect(test.count == 1 && test.filled([0]).targets == [3])
    #expect(test.classNames[3] == "3")
  }

  @Test func namesAreReadWhereTheyAre() throws {
    let folder = try ten()
    let names = "airplane\nbus\ncat\ndog\neel\nfox\ngoat\nhen\nibis\njay\n\n"
    try folder.write(Array(names.utf8), to: "batches.meta.txt")
    #expect(try CIFAR.load(.cifar10, at: folder.path, split: .test).classNames[9] == "jay")
  }

  @Test func hundredHasTheFineLabels() throws {
    let folder = try TemporaryFolder()
    try folder.writeGzipped(record([19, 99], 1, 2, 3) + record([5, 20], 4, 5, 6), to: "train.bin.gz")
    let train = try CIFAR.load(.cifar100, at: folder.path, split: .train, normalization: .none)
    #expect(train.target == .classes(100))
    #expect(train.filled([0, 1]).targets == [99, 20])
    #expect(train.filled([1]).inputs[0] == 4)
  }

  @Test func wrongFilesAreNamed() throws {
    let folder = try ten()
    func refusal(_ kind: CIFAR.Kind, _ split: Split) -> String {
      let error = #expect(throws: DatasetError.self) { try CIFAR.load(kind, at: folder.path, split: split) }
      return error?.description ?? ""
    }
    #expect(refusal(.cifar100, .train).contains("no train.bin"))
    try folder.write(Array(record([3], 1, 2, 3).dropLast()), to: "test_batch.bin")
    #expect(refusal(.cifar10, .test).contains("3072 bytes"))
    try folder.write([], to: "test_batch.bin")
    #expect(refusal(.cifar10, .test).contains("test_batch.bin"))
    try folder.write(record([3], 1, 2, 3) + record([10], 1, 2, 3), to: "test_batch.bin")
    #expect(refusal(.cifar10, .test).contains("10 as the label of record 1"))
    try folder.write(record([1, 100], 1, 2, 3), to: "test.bin")
    #expect(refusal(.cifar100, .test).contains("100 as the label of record 0"))
    try folder.write(record([3], 1, 2, 3) + [1], to: "data_batch_4.bin")
    #expect(refusal(.cifar10, .train).contains("data_batch_4.bin"))
  }

  @Test func everyBatchMustBeThere() throws {
    let folder = try TemporaryFolder()
    try folder.write(record([3], 1, 2, 3), to: "data_batch_1.bin")
    let error = #expect(throws: DatasetError.self) {
      try CIFAR.load(.cifar10, at: folder.path, split: .train)
    }
    #expect(error?.description.contains("no data_batch_2.bin") == true)
  }
}
