import Foundation
import MessagePassing
import Synchronization
import Testing
import Training

/// Whole sweeps, of which the ranks are threads.
@Suite struct WholeSweepTests {
  /// A sweep's file with its folder; removed with the value.
  private final class Sweep: Sendable {
    let runs = Runs()
    let members: [Member]

    /// - Parameter yaml: what the file says besides the base.
    init(
      _ yaml: String, base: String = "{data: {name: digits, samples: 160, testSamples: 50}}", shards: Int? = 8
    ) throws {
      try FileManager.default.createDirectory(atPath: runs.path, withIntermediateDirectories: true)
      try Data(base.utf8).write(to: URL(fileURLWithPath: runs.path + "/base.yaml"))
      let settled = shards.map { ", shards: \($0)" } ?? ""
      let small = "base: base.yaml\nset: {model.hidden: [8], batch: 32, epochs: 2\(settled)"
      try Data((small + yaml).utf8).write(to: URL(fileURLWithPath: runs.path + "/sweep.yaml"))
      members = (try? MemberPlan.sweep(runs.path + "/sweep.yaml"))?.members ?? []
    }

    var folder: MemberFolder { MemberFolder(path: runs.path + "/run") }
    var outcomes: [MemberOutcome?] { members.map(folder.outcome(of:)) }
    var log: String { (try? runs.log("run")) ?? "" }

    func run(
      ranks: Int, resume: Bool = false,
      _ change: @escaping @Sendable (inout MemberRunner.Options, Int) -> Void = { _, _ in }
    ) throws -> MemberRunner.Ending {
      let endings = Mutex<[MemberRunner.Ending]>([])
      try InProcessWorld.run(ranks: ranks) { [path = runs.path] communicator in
        var options = MemberRunner.Options()
        options.folder = path + "/run"
        options.resume = resume
        change(&options, communicator.rank)
        let runner = try MemberRunner(sweep: path + "/sweep.yaml", options: options, in: World(communicator))
        let ending = try runner.run()
        endings.withLock { $0.append(ending) }
      }
      let all = endings.withLock { $0 }
      let first = try #require(all.first)
      #expect(all.count == ranks && all.allSatisfy { $0 == first })
      return first
    }

    /// Makes a member one that was interrupted at its last checkpoint, or before its first.
    func open(_ member: Member, keepsCheckpoints: Bool = true) throws {
      let path = folder.path(of: member) + (keepsCheckpoints ? "/member.json" : "")
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func aGroupThatHasNoTimeLeftLetsTheOthersFinish() throws {
    let sweep = try Sweep("}\ngrid: {seed: [1, 2]}\n")
    let ending = try sweep.run(ranks: 2) { options, rank in
      options.timeLimit = 100_000
      // Rank 1 knows that it cannot begin anything.
      options.expectedStart = rank == 1 ? 1_000_000 : 0
    }
    #expect(ending == .settled(failed: 0, of: 2))
  }

  @Test func aDamagedOutcomeIsMadeAnewToTheSame() throws {
    let sweep = try Sweep("}\ngrid: {seed: [1, 2]}\n")
    #expect(try sweep.run(ranks: 2) == .settled(failed: 0, of: 2))
    let before = sweep.outcomes
    try Data().write(to: URL(fileURLWithPath: sweep.folder.path(of: sweep.members[1]) + "/member.json"))
    #expect(try sweep.run(ranks: 2, resume: true) == .settled(failed: 0, of: 2))
    #expect(sweep.outcomes.map { $0?.digest } == before.map { $0?.digest })
    #expect(sweep.outcomes[1]?.results == before[1]?.results)
    #expect(sweep.log.contains("warning: member 002: its member.json was damaged"), "\(sweep.log)")
  }

  /// Changed data say nothing of a member: when they are back, it goes on.
  @Test func whatCannotBeGoneOnWithIsNotSettled() throws {
    let sweep = try Sweep(
      ", validation.fraction: 0.2}\ngrid: {seed: [1, 2]}\n", base: "{data: {name: csv, path: DATA, label: c}}"
    )
    let data = sweep.runs.path + "/data.csv"
    let base = sweep.runs.path + "/base.yaml"
    try Data("{data: {name: csv, path: \(data), label: c}}".utf8).write(to: URL(fileURLWithPath: base))
    let rows = "a,b,c\n" + (0..<80).map { "\($0 % 7),\($0 % 5),\($0 % 2)\n" }.joined()
    try Data(rows.utf8).write(to: URL(fileURLWithPath: data))
    #expect(try sweep.run(ranks: 2) == .settled(failed: 0, of: 2))
    let members = try MemberPlan.sweep(sweep.runs.path + "/sweep.yaml").members
    let before = members.map(sweep.folder.outcome(of:))
    for member in members { try sweep.open(member) }
    try Data(rows.replacing("6,", with: "8,").utf8).write(to: URL(fileURLWithPath: data))
    for _ in 0..<2 {
      #expect(try sweep.run(ranks: 2, resume: true) == .refused(2, of: 2))
      #expect(members.allSatisfy { sweep.folder.outcome(of: $0) == nil })
    }
    #expect(sweep.log.contains("cannot be gone on with and is as it was"), "\(sweep.log)")
    #expect(!sweep.log.contains("stopped by"), "\(sweep.log)")
    try Data(rows.utf8).write(to: URL(fileURLWithPath: data))
    #expect(try sweep.run(ranks: 2, resume: true) == .settled(failed: 0, of: 2))
    #expect(members.map { sweep.folder.outcome(of: $0)?.digest } == before.map { $0?.digest })
  }

  /// Where bits depend on the ranks of a member, there are as many in every start.
  @Test(arguments: ["allreduce", "periodic, averaging.workers: ranks"])
  func membersWhoseBitsDependOnRanksKeepTheirNumber(averaging: String) throws {
    let sweep = try Sweep(", averaging.strategy: \(averaging)}\ngrid: {seed: [1, 2]}\n")
    #expect(try sweep.run(ranks: 5) == .settled(failed: 0, of: 2))
    let before = sweep.outcomes
    #expect(before.allSatisfy { $0?.ranks == 2 })
    #expect(sweep.log.contains("the bits depend on the ranks of a member, 2"), "\(sweep.log)")
    // One has a checkpoint, the other begins anew, at different times on other numbers of ranks.
    try sweep.open(sweep.members[0])
    #expect(try sweep.run(ranks: 3, resume: true) == .settled(failed: 0, of: 2))
    try sweep.open(sweep.members[1], keepsCheckpoints: false)
    #expect(try sweep.run(ranks: 4, resume: true) == .settled(failed: 0, of: 2))
    #expect(sweep.outcomes.map { $0?.ranks } == [2, 2])
    #expect(sweep.outcomes.map { $0?.digest } == before.map { $0?.digest })

    let error = try #require(throws: (any Error).self) { try sweep.run(ranks: 1, resume: true) }
    #expect("\(error)".contains("Come back with 2 ranks"), "\(error)")
  }

  @Test func asManyRanksTrainAMemberAsWereAskedFor() throws {
    let sweep = try Sweep("}\ngrid: {seed: [1, 2]}\nranks: 1\n")
    #expect(try sweep.run(ranks: 3) == .settled(failed: 0, of: 2))
    #expect(sweep.outcomes.allSatisfy { $0?.ranks == 1 })
    #expect(sweep.log.contains("2 at a time on 1 rank each"), "\(sweep.log)")
    #expect(
      sweep.log.contains("1 of 3 ranks is not needed: there are 2 members left, on 1 each"), "\(sweep.log)")
    try sweep.open(sweep.members[0])
    #expect(try sweep.run(ranks: 3, resume: true) == .settled(failed: 0, of: 2))
    #expect(
      sweep.log.contains("2 of 3 ranks are not needed: there is 1 member left, on 1 each"), "\(sweep.log)")
  }

  /// A member with a single shard leaves the other ranks to the member that can use them.
  @Test func aMemberWithFewShardsLeavesTheRanksToOthers() throws {
    let sweep = try Sweep("}\ngrid: {shards: [8, 1]}\n", shards: nil)
    #expect(try sweep.run(ranks: 4) == .settled(failed: 0, of: 2))
    #expect(sweep.outcomes.map { $0?.ranks } == [3, 1], "\(sweep.log)")
    #expect(sweep.log.contains("2 at a time on 1 to 3 ranks each"), "\(sweep.log)")
    #expect(!sweep.log.contains("not needed"), "\(sweep.log)")
  }

  /// Groups of as many ranks as were asked for train what has room for them, and become smaller ones for the rest, which
  /// are trained side by side.
  @Test func groupsThatAreTooLargeForWhatIsLeftBecomeSeveral() throws {
    let few = try Sweep("}\ngrid: {shards: [1, 8, 2, 1, 2], seed: [1, 2]}\n", shards: nil)
    #expect(try few.run(ranks: 1) == .settled(failed: 0, of: 10))
    let expected = few.outcomes.map { $0?.digest }
    #expect(!expected.contains(nil) && Set(expected).count == 6)

    let sweep = try Sweep("}\ngrid: {shards: [1, 8, 2, 1, 2], seed: [1, 2]}\nranks: 5\n", shards: nil)
    #expect(try sweep.run(ranks: 5) == .settled(failed: 0, of: 10))
    #expect(sweep.outcomes.map { $0?.digest } == expected)
    #expect(sweep.outcomes.map { $0?.ranks } == [1, 1, 5, 5, 2, 2, 1, 1, 2, 2], "\(sweep.log)")
    #expect(sweep.log.contains("ranks 0 to 4 go on as 2 groups of 2"), "\(sweep.log)")
    #expect(sweep.log.contains(/ranks [02], [13] go on as 2 groups of 1/), "\(sweep.log)")
    // What is stopped on the way goes on to the same.
    for member in [0, 2, 4] { try sweep.open(sweep.members[member]) }
    #expect(try sweep.run(ranks: 3, resume: true) == .settled(failed: 0, of: 10))
    #expect(sweep.outcomes.map { $0?.digest } == expected)
  }

  /// A batch script always says so, at the first start too.
  @Test func whatIsLeftOutIsSaidAtTheFirstStartWithResumeAndOnlyThen() throws {
    let sweep = try Sweep(
      ", schedule.name: cosine}\ngrid: {schedule.minimum: [0, 0.2], optimizer.learningRate: [0.1, 0.5]}\n")
    for _ in 0..<2 { #expect(try sweep.run(ranks: 2, resume: true) == .settled(failed: 1, of: 4)) }
    #expect(sweep.log.components(separatedBy: "member 003 (").count == 2, "\(sweep.log)")
    #expect(sweep.log.contains("is left out"), "\(sweep.log)")
  }

  @Test func whatOnlyRankZeroLooksAtIsNotSaidToBeItsOwn() throws {
    let sweep = try Sweep("}\ngrid: {seed: [many]}\n")
    let error = try #require(throws: (any Error).self) { try sweep.run(ranks: 2) }
    // The world of threads names the rank that it heard of first.
    let parts = "\(error)".components(separatedBy: ": ")
    #expect(parts[0].hasPrefix("rank ") && parts[1].hasSuffix("/sweep.yaml:3"), "\(error)")
  }

  @Test func membersThatMayTakeTheJobAlongAreAnnounced() throws {
    let sweep = try Sweep("}\ngrid: {seed: [1, 2]}\n")
    #expect(try sweep.run(ranks: 2) == .settled(failed: 0, of: 2))
    for member in sweep.members { try sweep.open(member, keepsCheckpoints: false) }
    // The claims of the first start are there still.
    _ = try sweep.folder.takeUpInterruptions(sweep.members, forgets: false)
    for member in sweep.members { #expect(try sweep.folder.claim(member, as: "x")) }
    #expect(try sweep.run(ranks: 2, resume: true) == .settled(failed: 0, of: 2))
    #expect(
      sweep.log.contains("members 001, 002: the job has ended 2 times")
        && sweep.log.contains("one after the other"),
      "\(sweep.log)")
  }
}
