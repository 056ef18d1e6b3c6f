import Foundation
import MessagePassing
import Testing
import Training

private func member(
  _ number: Int, _ parameters: [(String, String)] = [], mistake: String? = nil, mostRanks: Int = 8
) -> Member {
  Member(
    number: number, parameters: parameters.map { .init(key: $0.0, value: $0.1) },
    configuration: mistake == nil ? "" : nil, mistake: mistake,
    needs: mistake == nil ? MemberNeeds(mostRanks: mostRanks) : nil)
}

private func outcome(accuracy: Double?, loss: Double, test: Double? = nil) -> MemberOutcome {
  var outcome = MemberOutcome(state: .finished)
  outcome.results = [.init(split: .validation, loss: loss, accuracy: accuracy, samples: 100)]
  if let test { outcome.results.append(.init(split: .test, loss: loss, accuracy: test, samples: 50)) }
  outcome.seconds = 2
  outcome.digest = "0123456789abcdef"
  return outcome
}

@Suite struct MemberGroupTests {
  @Test(arguments: 1...12) func groupsFollowEachOtherAndKeepRanksBusy(ranks: Int) {
    for wanted in [nil, 1, 2, 5] {
      for most in [
        [1], [3], [99], [1, 1, 1], [99, 99, 99], [1, 8, 2], [3, 99], [Int](repeating: 4, count: 40),
      ] {
        check(ranks: ranks, wanted: wanted, most: most)
      }
    }
  }

  private func check(ranks: Int, wanted: Int?, most: [Int]) {
    let groups = MemberGroups(ranks: ranks, wanted: wanted, most: most).ranges
    #expect(!groups.isEmpty && groups.count <= most.count)
    var end = 0
    for range in groups {
      #expect(range.lowerBound == end && !range.isEmpty)
      end = range.upperBound
    }
    let sizes = groups.map(\.count)
    #expect(end <= ranks && sizes == sizes.sorted(by: >), "\(groups)")
    if let wanted {
      let each = min(wanted, most.max() ?? 1, ranks)
      #expect(sizes.allSatisfy { $0 == each }, "exactly as many as were asked for: \(groups)")
      #expect(groups.count == most.count || ranks - end < each, "there is room for another: \(groups)")
    } else {
      // Whoever is idle could not be used: all members are under way, and have no more room.
      #expect(end == min(ranks, most.reduce(0, +)), "\(groups) for \(most)")
      // The largest groups are for the members with most room. One is smaller by two ranks or more only where its member
      // has no more room.
      for (size, room) in zip(sizes, most.sorted(by: >)) {
        #expect(size <= room && (size == room || size + 1 >= sizes[0]), "\(groups) for \(most)")
      }
    }
  }

  @Test func ranksAreDealtAsTheyWereAskedFor() {
    func ranges(_ ranks: Int, _ wanted: Int?, _ most: [Int]) -> [Range<Int>] {
      MemberGroups(ranks: ranks, wanted: wanted, most: most).ranges
    }
    let nine = [Int](repeating: 8, count: 9)
    #expect(ranges(4, 2, nine) == [0..<2, 2..<4])
    #expect(ranges(3, 1, nine) == [0..<1, 1..<2, 2..<3])
    #expect(ranges(7, nil, [8, 8, 8]) == [0..<3, 3..<5, 5..<7])
    #expect(ranges(8, nil, [1, 8, 2]) == [0..<5, 5..<7, 7..<8])
    // What was asked for is what there is.
    #expect(ranges(3, 1, [8, 8]) == [0..<1, 1..<2])
    #expect(ranges(7, 3, nine) == [0..<3, 3..<6])
    #expect(ranges(2, 3, nine) == [0..<2])
    #expect(ranges(4, 4, [1, 8]) == [0..<4])
    let few = MemberGroups(ranks: 8, wanted: nil, most: [2, 2])
    #expect(few.ranges == [0..<2, 2..<4] && few.index(ofRank: 3) == 1 && few.index(ofRank: 7) == 2)
  }
}

@Suite struct MemberScheduleTests {
  private final class Place {
    let folder = MemberFolder(
      path: FileManager.default.temporaryDirectory.path + "/members-\(UUID().uuidString)")
    deinit { try? FileManager.default.removeItem(atPath: folder.path) }
  }

  private func schedule(
    _ members: [Member], _ counts: [Int: Int] = [:], first: Int = 0, of groups: MemberGroups? = nil,
    in place: Place
  ) -> MemberSchedule {
    MemberSchedule(
      members, interruptions: counts.mapValues { .init(count: $0, newestStep: nil) }, attempts: 3,
      first: first, of: groups ?? Self.groups(1), in: place.folder)
  }

  /// Groups of one rank.
  private static func groups(_ count: Int) -> MemberGroups {
    MemberGroups(ranks: count, wanted: 1, most: [Int](repeating: 8, count: count))
  }

  @Test func everyMemberIsDealtOnce() throws {
    let place = Place()
    let members = (1...20).map { member($0) }
    _ = try place.folder.takeUpInterruptions(members, forgets: false)
    var groups = (0..<3).map { schedule(members, first: $0, of: Self.groups(3), in: place) }
    var dealt: [Int] = []
    var turn = 0
    while groups.isEmpty == false {
      let index = turn * 7 % groups.count
      turn += 1
      if let next = try groups[index].nextNumber() {
        dealt.append(next)
      } else {
        groups.remove(at: index)
      }
    }
    #expect(dealt.sorted() == Array(1...20))
  }

  /// The group with three ranks leaves the member that has room for one to the group with one, whoever comes first.
  @Test(arguments: [[0, 1], [1, 0]]) func whatHasRoomForAllRanksIsTakenFirst(order: [Int]) throws {
    let place = Place()
    let members = [member(1, mostRanks: 8), member(2, mostRanks: 1)]
    _ = try place.folder.takeUpInterruptions(members, forgets: false)
    let groups = MemberGroups(ranks: 4, wanted: nil, most: [8, 1])
    for index in order {
      let range = groups.ranges[index]
      var group = schedule(members, first: range.lowerBound, of: groups, in: place)
      #expect(try group.nextNumber(ranks: range.count) == index + 1)
    }
  }

  @Test func aGroupThatIsTooLargeForAllThatIsLeftBecomesSeveral() throws {
    let place = Place()
    let members = [1, 8, 2, 2, 1].enumerated().map { member($0 + 1, mostRanks: $1) }
    _ = try place.folder.takeUpInterruptions(members, forgets: false)
    var group = schedule(members, in: place)
    #expect(try group.nextNumber(ranks: 7) == 2)
    // Four are left, of which two have room for two.
    #expect(try group.next(ranks: 7, as: "a test", isStopping: { false }) == .split(ranks: 2, parts: 3))
    #expect(try group.next(ranks: 7, as: "a test", isStopping: { true }) == .end)
    #expect(try place.folder.claim(members[2], as: "another group"))
    #expect(try group.nextNumber(ranks: 2) == 4)
    #expect(try place.folder.claim(members[0], as: "another group"))
    #expect(try group.next(ranks: 2, as: "a test", isStopping: { false }) == .split(ranks: 1, parts: 1))
    #expect(try group.nextNumber(ranks: 1) == 5)
    #expect(try group.next(ranks: 1, as: "a test", isStopping: { false }) == .end)
  }

  @Test func nothingIsBegunWhenAllAreToStop() throws {
    let place = Place()
    let members = [member(1)]
    _ = try place.folder.takeUpInterruptions(members, forgets: false)
    var group = schedule(members, in: place)
    #expect(try group.nextNumber(isStopping: true) == nil)
    #expect(try schedule(members, in: place).folderIsFree(for: members[0], place.folder))
  }

  /// Those that a start has ended with come last; who is about to be given up is trained alone, when no other group does
  /// anything any more, those that came of its own included.
  @Test func suspectsComeLastAndAlone() throws {
    let place = Place()
    let members = [1, 8, 8, 8].enumerated().map { member($0 + 1, mostRanks: $1) }
    _ = try place.folder.takeUpInterruptions(members, forgets: false)
    let counts = [1: 2, 2: 1]
    let groups = Self.groups(2)
    var second = schedule(members, counts, first: 1, of: groups, in: place)
    var first = schedule(members, counts, first: 0, of: groups, in: place)
    #expect(try second.nextNumber() == 3)
    #expect(try first.nextNumber() == 4)
    #expect(try first.nextNumber() == 2)
    #expect(try second.nextNumber() == nil, "member 1 is not for it")
    first.noteSplit(into: [5])
    let folder = place.folder
    for group in [1, 5] {
      let ending = Thread {
        usleep(UInt32(30_000 * group))
        try? folder.settle(members[group == 1 ? 2 : 3], .failed(""))
        try? folder.noteEnd(ofGroup: group)
      }
      ending.start()
    }
    #expect(try first.next(ranks: 2, as: "a test", isStopping: { false }) == .split(ranks: 1, parts: 1))
    #expect(folder.outcome(of: members[2]) != nil, "it has waited for the other group")
    #expect(folder.outcome(of: members[3]) != nil, "it has waited for the part of its own")
    #expect(try first.nextNumber() == 1)
    #expect(try first.nextNumber() == nil)
  }

  @Test func interruptionsCountFromTheNewestCheckpoint() throws {
    let place = Place()
    let folder = place.folder
    let members = (1...3).map { member($0) }
    #expect(try folder.takeUpInterruptions(members, forgets: false) == [:])
    for member in members { #expect(try folder.claim(member, as: "x")) }
    #expect(try !folder.claim(members[0], as: "y"))
    // One is settled, one was saved and given back, one was under way.
    try folder.settle(members[0], .failed("x"))
    try folder.release(members[1])
    #expect(try !folder.claim(members[1], as: "y"), "it is not for this start any more")
    #expect(try folder.takeUpInterruptions(members, forgets: false) == [3: .init(count: 1, newestStep: nil)])
    #expect(try folder.takeUpInterruptions(members, forgets: false) == [3: .init(count: 1, newestStep: nil)])
    #expect(try folder.claim(members[2], as: "x"))
    #expect(try folder.takeUpInterruptions(members, forgets: false)[3]?.count == 2)
    // A checkpoint is progress.
    try FileManager.default.createDirectory(
      atPath: folder.path(of: members[2]) + "/checkpoints/step-5", withIntermediateDirectories: true)
    #expect(try folder.claim(members[2], as: "x"))
    #expect(try folder.takeUpInterruptions(members, forgets: false)[3] == .init(count: 1, newestStep: 5))
    #expect(try folder.claim(members[2], as: "x"))
    #expect(try folder.takeUpInterruptions(members, forgets: true) == [:])
  }
}

@Suite struct MemberFolderTests {
  @Test func whatWasAskedOfAnEarlierStartIsNotAskedOfThisOne() throws {
    let runs = Runs()
    var folder = MemberFolder(path: runs.path)
    folder.start = "1"
    _ = try folder.takeUpInterruptions([], forgets: false)
    folder.requestStop()
    #expect(folder.isStopRequested)
    folder.start = "2"
    #expect(!folder.isStopRequested)
  }

  @Test func anOutcomeThatIsNotWholeIsRemovedAndALaterFormatRefused() throws {
    let runs = Runs()
    let folder = MemberFolder(path: runs.path)
    let member = member(1)
    #expect(try folder.takeUpOutcome(of: member) == (nil, false))
    let whole = outcome(accuracy: 0.5, loss: 1)
    try folder.settle(member, whole)
    #expect(try folder.takeUpOutcome(of: member) == (whole, false))
    let file = URL(fileURLWithPath: folder.path(of: member) + "/member.json")
    for bytes in [Data(), Data(try whole.encoded().dropLast(5)), Data("{\"format\": 1}".utf8)] {
      try bytes.write(to: file)
      #expect(try folder.takeUpOutcome(of: member) == (nil, true))
      #expect(!FileManager.default.fileExists(atPath: file.path))
    }
    let later = Data("{\"format\": 2, \"state\": \"paused\"}".utf8)
    try later.write(to: file)
    let error = try #require(throws: TrainingError.self) { try folder.takeUpOutcome(of: member) }
    #expect(error.diagnosis.found == "format 2")
    #expect(try Data(contentsOf: file) == later)
  }
}

private func == (
  one: (outcome: MemberOutcome?, wasDamaged: Bool), other: (MemberOutcome?, Bool)
) -> Bool { one.outcome == other.0 && one.wasDamaged == other.1 }

extension MemberSchedule {
  /// Of the member that comes next; nil where there is none, or what is left has no room for so many ranks.
  fileprivate mutating func nextNumber(ranks: Int = 1, isStopping: Bool = false) throws -> Int? {
    guard case .train(let member) = try next(ranks: ranks, as: "a test", isStopping: { isStopping }) else {
      return nil
    }
    return member.number
  }

  fileprivate func folderIsFree(for member: Member, _ folder: MemberFolder) throws -> Bool {
    try folder.claim(member, as: "a test")
  }
}

@Suite struct MemberTableTests {
  private let sweep = MemberPlan(
    kind: .sweep, compare: .auto, ranks: nil,
    members: [
      member(1, [("optimizer.learningRate", "0.1"), ("batch", "64")]),
      member(2, [("optimizer.learningRate", "0.1"), ("batch", "128")]),
      member(3, [("optimizer.learningRate", "9"), ("batch", "64")]),
      member(4, [("optimizer.learningRate", "9"), ("batch", "128")]),
    ])

  private var outcomes: [MemberOutcome?] {
    [
      outcome(accuracy: 0.90, loss: 0.3), outcome(accuracy: 0.95, loss: 0.5),
      .failed("infinite, \"or\" so"), outcome(accuracy: 0.80, loss: 0.2),
    ]
  }

  private func order(_ plan: MemberPlan, _ outcomes: [MemberOutcome?]) -> [String] {
    MemberTable(plan, outcomes).csv.components(separatedBy: "\r\n").dropFirst().dropLast()
      .map { String($0.prefix { $0 != "," }) }
  }

  @Test func membersAreSortedByWhatTheyAreComparedBy() {
    #expect(order(sweep, outcomes) == ["2", "1", "4", "3"])
    let byLoss = MemberPlan(kind: .sweep, compare: .loss, ranks: nil, members: sweep.members)
    #expect(order(byLoss, outcomes) == ["4", "1", "2", "3"])
    let values = [0.3, .nan, 0.1, .infinity].map { outcome(accuracy: nil, loss: $0) }
    #expect(order(sweep, values) == ["3", "1", "4", "2"])
  }

  @Test func theTextSaysTheBestTheSpreadAndTheFailures() {
    let lines = MemberTable(sweep, outcomes).text.split(separator: "\n").map(String.init)
    #expect(lines[0].contains("optimizer.learningRate") && lines[0].contains("validation accuracy"))
    #expect(lines[1].contains("1  002") && lines[1].contains("95.00 %") && lines[1].contains("0123456789ab"))
    #expect(lines[4].contains("003") && lines[4].hasSuffix("failed"))
    // The spread over 0.90, 0.95, 0.80: mean 0.88333, deviation 0.07638.
    #expect(
      lines.contains {
        $0.contains(
          "validation accuracy of 3 members: best 95.00 %, median 90.00 %, worst 80.00 %, mean 88.33 % ± 7.64"
        )
      }, "\(lines)")
    #expect(lines.contains { $0.contains("batch  64: 90.00 %; 128: 87.50 % ± 10.61") }, "\(lines)")
    #expect(lines.last?.contains("member 003 failed: infinite") == true)
  }

  @Test func aMemberThatHadNothingToBeTriedOnHasNotFailed() {
    var outcomes = outcomes
    outcomes[0]?.results = []
    let text = MemberTable(sweep, outcomes).text
    #expect(text.contains(/-  001 .* finished\n/) && !text.contains("member 001 failed"), "\(text)")
  }

  @Test func foldsKeepTheirOrderAndHaveMeansOfEveryFigure() {
    let plan = MemberPlan(
      kind: .folds, compare: .auto, ranks: nil, members: (1...3).map { member($0, [("fold", "\($0)")]) })
    let outcomes = [0.7, 0.9, 0.8].map { outcome(accuracy: $0, loss: 1 - $0, test: $0 / 2) }
    let text = MemberTable(plan, outcomes).text
    #expect(order(plan, outcomes) == ["1", "2", "3"])
    #expect(
      text.contains("validation accuracy  80.00 % ± 10.00 (standard deviation over 3 folds)"), "\(text)")
    #expect(text.contains("validation loss  0.2000 ± 0.1000 (standard deviation over 3 folds)"), "\(text)")
    #expect(text.contains("test accuracy  40.00 % ± 5.00 (standard deviation over 3 folds)"), "\(text)")
  }

  @Test func otherProgramsReadTheSame() throws {
    var outcomes = outcomes
    outcomes[3] = nil
    let table = MemberTable(sweep, outcomes)
    let rows = table.csv.components(separatedBy: "\r\n")
    #expect(
      rows[0].hasPrefix("member,state,optimizer.learningRate,batch,validation_loss,validation_accuracy,"))
    #expect(rows[1].hasPrefix("2,finished,0.1,128,0.5,0.95,"))
    #expect(rows.contains { $0.hasPrefix("3,failed,9,64,") && $0.hasSuffix("\"infinite, \"\"or\"\" so\"") })
    #expect(rows.contains { $0.hasPrefix("4,open,9,128,") })
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(try table.json())) as? [String: Any])
    #expect(json["kind"] as? String == "sweep" && json["comparedBy"] as? String == "accuracy")
    let members = try #require(json["members"] as? [[String: Any]])
    #expect(members.map { $0["member"] as? Int } == [2, 1, 3, 4])
    #expect((members[0]["parameters"] as? [String: String])?["batch"] == "128")
  }

  @Test func aLossThatIsNoNumberCanBeKept() throws {
    let kept = outcome(accuracy: nil, loss: .nan)
    let read = try #require(MemberOutcome(try kept.encoded()))
    #expect(read.results[0].loss.isNaN && read.digest == kept.digest)
    #expect(MemberOutcome(Array(try kept.encoded().dropLast(5))) == nil)
  }

  @Test func spreadsAreThoseOfASample() throws {
    let spread = try #require(Spread([2, 4, 4, 4, 5, 5, 7, 9]))
    #expect(spread.mean == 5 && spread.median == 4.5 && spread.least == 2 && spread.greatest == 9)
    #expect(abs((spread.deviation ?? 0) - (32.0 / 7).squareRoot()) < 1e-12)
    #expect(Spread([3])?.deviation == nil && Spread([]) == nil)
  }
}
