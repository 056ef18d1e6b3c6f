// What a run's data take in memory, and who reads them: with LOCKSTEP_DATA on MNIST, else on images of its size.

import DistributedScenarios
import Foundation
import Testing

@Suite(.serialized) struct DataPlacementTests {
  private static let dataFolder = ProcessInfo.processInfo.environment["LOCKSTEP_DATA"]
  private static let imageBytes = 784

  /// A folder with MNIST's files, or with some in their form.
  private func folder(in place: Workplace, images: Int) throws -> String {
    if let folder = Self.dataFolder, images > 1000 { return "\(folder)/mnist" }
    for (prefix, count) in [("train", images), ("t10k", images / 6)] {
      var pixels = [UInt8](repeating: 0, count: count * Self.imageBytes)
      for index in stride(from: 0, to: pixels.count, by: 97) {
        pixels[index] = UInt8(truncatingIfNeeded: index)
      }
      try place.write(idx([count, 28, 28], pixels), to: "data-\(images)/\(prefix)-images-idx3-ubyte")
      try place.write(
        idx([count], (0..<count).map { UInt8($0 % 10) }), to: "data-\(images)/\(prefix)-labels-idx1-ubyte")
    }
    return place.file("data-\(images)")
  }

  /// MiB that the ranks of a run have resident together, what several share counted once: all at the same step, as
  /// an evaluation or a checkpoint takes memory too.
  private func memory(_ place: Workplace, _ arguments: [String], ranks: Int) throws -> Double {
    let job = try place.start(
      arguments, ranks: ranks, environment: ["LOCKSTEP_FAILPOINTS": "step:hang:step=3"])
    try waitUntil("everybody is at step 3") {
      job.standardError.matches(of: /failpoint step: hang/).count == ranks
    }
    let processes = (0..<ranks).compactMap { job.process(ofRank: $0) }
    try #require(processes.count == ranks)
    let sum = try processes.reduce(0.0) { try $0 + proportionalSize($1) }
    for process in processes { kill(process, SIGKILL) }
    _ = try job.wait(timeout: 20)
    return sum
  }

  /// MiB of a process, its part of what it shares included; but for files, which other tests' programs map too.
  private func proportionalSize(_ process: pid_t) throws -> Double {
    let text = try String(contentsOfFile: "/proc/\(process)/smaps_rollup", encoding: .utf8)
    return try ["Pss_Anon:", "Pss_Shmem:"].reduce(0.0) { sum, name in
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name) })
      return sum + (try #require(Double(line.split(separator: " ")[1]))) / 1024
    }
  }

  @Test func memoryForDataGrowsWithMachinesAndNotWithRanks() throws {
    try expectDataOnce { place, data, ranks in
      ["train", "mnist", "--out", "run-\(ranks)-\(data.hashValue)"]
        + settings("data.path=\(data)", "epochs=1", "shards=4", "batch=64")
    }
  }

  /// Members of a sweep that are trained side by side, each by a rank, have the data together.
  @Test func memoryForDataOfASweepGrowsWithMachinesAndNotWithMembers() throws {
    try expectDataOnce { place, data, ranks in
      let name = "sweep-\(ranks)-\(data.hashValue)"
      let sweep =
        "base: mnist\nset: {data.path: \(data), epochs: 1, shards: 4, batch: 64}\n"
        + "grid: {seed: [1, 2, 3, 4], data.normalization: [standard, unit]}\n"
      try place.write(Array(sweep.utf8), to: "\(name).yaml")
      return ["sweep", "\(name).yaml", "--out", name]
    }
  }

  /// - Parameter command: what trains on a folder with so many ranks.
  private func expectDataOnce(_ command: (Workplace, String, Int) throws -> [String]) throws {
    let place = try Workplace()
    let large = try folder(in: place, images: 60_000)
    let small = try folder(in: place, images: 600)
    var data: [Int: Double] = [:]
    for ranks in [1, 2, 4] {
      data[ranks] =
        try memory(place, command(place, large, ranks), ranks: ranks)
        - memory(place, command(place, small, ranks), ranks: ranks)
    }
    let size = Double(70_000 * Self.imageBytes) / 1_048_576
    let text = "\(data.mapValues { ($0 * 10).rounded() / 10 }) MiB for \(size.rounded()) MiB of images"
    print("data of a machine by ranks: \(text)")
    // Two ranks with data of their own would have them twice. Each has the order of an epoch, 8 bytes a sample.
    for (ranks, taken) in data {
      #expect(taken > 0.9 * size && taken < 1.4 * size, "\(ranks) ranks: \(text)")
    }
  }

  private func train(
    _ place: Workplace, _ paths: [String], as run: String, _ more: String...
  ) throws -> ProgramResult {
    let command =
      [try Program.path(of: "lockstep"), "train", "mnist", "--out", run]
      + settings("epochs=1", "shards=4") + more.flatMap { settings($0) }
    let ranks = paths.map { ["-np", "1"] + command + settings("data.path=\($0)") }
    return try Program.run(
      executable: "mpirun",
      arguments: ["--oversubscribe", "--bind-to", "none", "--allow-run-as-root"]
        + Array(ranks.joined(separator: [":"])), directory: place.path)
  }

  @Test func ranksThatTalkInMessagesAloneReadForThemselves() throws {
    let place = try Workplace()
    try place.writeDigits(to: "data", training: 600, test: 100)
    let result = try train(place, ["data", "nowhere"], as: "run", "averaging=ordered")
    #expect(result.exitCode == 2 && result.standardError.contains("nowhere"), "\(result)")
    #expect(try train(place, ["data", "data"], as: "run", "averaging=ordered").exitCode == 0)
  }

  /// Others than the first rank of a machine do not even look for the files; and the weights are those of one rank.
  @Test func oneRankOfAMachineReadsTheFiles() throws {
    let place = try Workplace()
    try place.writeDigits(to: "data", training: 600, test: 100)
    let shared = try train(place, ["data", "nowhere", "nowhere"], as: "shared")
    #expect(shared.exitCode == 0, "\(shared)")
    #expect(!shared.standardError.contains("for itself"), "\(shared)")
    let alone = try place.lockstep(
      ["train", "mnist", "--out", "alone"] + settings("data.path=data", "epochs=1", "shards=4"))
    #expect(alone.exitCode == 0, "\(alone)")
    #expect(try place.digest("shared") == place.digest("alone"))

    let unread = try train(place, ["nowhere", "data"], as: "unread")
    #expect(unread.exitCode == 2 && unread.messages.count == 1, "\(unread)")
    #expect(unread.messages.first?.hasPrefix("lockstep: nowhere: ") == true, "\(unread)")
  }

  /// Where ranks cannot have memory in common each reads for itself, says so, and comes to the same weights. What `/dev/shm`
  /// has room for makes no difference to data.
  @Test func dataThatCannotBeSharedAreNoReasonToEnd() throws {
    let place = try Workplace()
    try place.writeDigits(to: "data", training: 600, test: 100)
    let run = ["train", "mnist"] + settings("data.path=data", "epochs=1", "shards=4")
    let note = "each rank keeps the data for itself, for memory cannot be shared"
    let fault = ["LOCKSTEP_FAILPOINTS": "data.share:error"]
    for (name, environment) in [("shared", [:]), ("small", withoutSharedMemory), ("apart", fault)] {
      let result = try place.lockstep(run + ["--out", name], ranks: 2, environment: environment)
      #expect(result.exitCode == 0, "\(result)")
      let said = result.standardOutput + result.standardError
      #expect(said.contains(note) == (name == "apart"), "\(result)")
    }
    #expect(try place.digest("shared") == place.digest("apart"))
    #expect(try place.digest("shared") == place.digest("small"))
  }
}
