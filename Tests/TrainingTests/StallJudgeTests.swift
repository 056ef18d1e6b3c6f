import MessagePassing
import Testing
import Training

/// Who is to blame when a training stands still, told from what ranks publish.
@Suite struct StallJudgeTests {
  /// Ranks whose places a test changes, looked at every quarter of a second.
  private struct Scene {
    var places: [Place]
    var polls = 0
    var now = 100.0
    var judge: StallJudge

    init(ranks: Int, here: Range<Int>? = nil, patience: Double = 10, comesAndGoes: Bool = false) {
      var place = Place()
      (place.phase, place.step) = (1, 1)
      places = Array(repeating: place, count: ranks)
      judge = StallJudge(
        ranks: ranks, here: here ?? 0..<ranks, patience: patience, interval: 0.25, transferring: [5],
        comesAndGoes: comesAndGoes, now: now)
    }

    /// The first verdict within so many seconds, and when it came.
    mutating func run(
      _ seconds: Double, each: (inout [Place]) -> Void = { _ in }, polls isPolling: Bool = true
    ) -> (StallJudge.Verdict, after: Double)? {
      let begin = now
      while now < begin + seconds {
        now += 0.25
        each(&places)
        if isPolling { polls += 1 }
        for rank in places.indices where places[rank].pulse >= 0 { places[rank].pulse += 1 }
        if let verdict = judge.look(at: places, polls: polls, now: now) { return (verdict, now - begin) }
      }
      return nil
    }
  }

  private static func works(_ place: inout Place) { place.instruction += 1 }
  private static func waits(_ place: inout Place) { place.looks += 7 }

  @Test func ranksThatWorkOrWaitForOneThatWorksAreLeftAlone() {
    var scene = Scene(ranks: 3)
    #expect(
      scene.run(100) { places in
        Self.works(&places[0])
        Self.waits(&places[1])
        Self.waits(&places[2])
      } == nil)
  }

  @Test func aRankThatDoesNothingIsBlamedAndThoseThatWaitAreNot() throws {
    var scene = Scene(ranks: 3)
    let (verdict, after) = try #require(
      scene.run(100) { places in
        Self.waits(&places[0])
        Self.waits(&places[2])
      })
    #expect(verdict.ranks == [1] && verdict.kind == .stuck && verdict.waiting == [0, 2])
    #expect(after > 10 && after <= 10.5, "\(after)")
  }

  @Test func aStoppedProcessIsBlamedBeforeThoseThatBlockForIt() throws {
    var scene = Scene(ranks: 3)
    scene.places[2].pulse = -1
    let (verdict, _) = try #require(scene.run(100) { Self.waits(&$0[0]) })
    #expect(verdict.ranks == [2] && verdict.kind == .stopped)
  }

  @Test func ranksThatAllWaitAreToldSo() throws {
    var scene = Scene(ranks: 2)
    let (verdict, after) = try #require(
      scene.run(100) { places in for rank in places.indices { Self.waits(&places[rank]) } })
    #expect(verdict.ranks == [0, 1] && verdict.kind == .waiting)
    #expect(after > 10 && after < 15)
  }

  @Test func bytesAreProgressWhereFilesAreBeingWrittenAndNowhereElse() throws {
    var scene = Scene(ranks: 1)
    scene.places[0].phase = 5
    #expect(scene.run(60) { $0[0].transferred += 1 } == nil)
    scene.places[0].phase = 1
    #expect(scene.run(60) { $0[0].transferred += 1 }?.0.kind == .stuck)
  }

  @Test func ranksThatHaveNotBegunOrHaveLeftAreNobodysConcern() {
    var scene = Scene(ranks: 2)
    scene.places[1].phase = Place.absent
    #expect(scene.run(60) { Self.works(&$0[0]) } == nil)
  }

  @Test func aWatcherThatWasStoppedItselfBlamesNobody() {
    var scene = Scene(ranks: 2)
    #expect(scene.run(5) { places in for rank in places.indices { Self.works(&places[rank]) } } == nil)
    scene.now += 1000
    #expect(scene.run(9) { Self.waits(&$0[0]) } == nil)
    #expect(scene.run(20) { Self.waits(&$0[0]) }?.0.ranks == [1])
  }

  @Test func aMachineThatSendsNothingIsBlamedALittleLater() throws {
    var scene = Scene(ranks: 4, here: 0..<2)
    for rank in 2..<4 { scene.places[rank].pulse = -1 }
    let (verdict, after) = try #require(
      scene.run(100) { places in for rank in 0..<2 { Self.waits(&places[rank]) } })
    #expect(verdict.ranks == [2, 3] && verdict.kind == .unreachable)
    #expect(after > 12 && after < 13)
  }

  @Test func oneStuckRankOfAnotherMachineIsToldFromItsNeighbours() throws {
    var scene = Scene(ranks: 4, here: 0..<2)
    let (verdict, _) = try #require(
      scene.run(100) { places in for rank in [0, 1, 3] { Self.waits(&places[rank]) } })
    #expect(verdict.ranks == [2] && verdict.kind == .stuck)
  }

  /// While one process there comes round, the machine is not gone.
  @Test func aMachineOfWhichOneRankIsHeardIsThere() throws {
    var scene = Scene(ranks: 4, here: 0..<2)
    scene.places[2].pulse = -1
    let (verdict, _) = try #require(
      scene.run(100) { places in for rank in 0..<2 { Self.waits(&places[rank]) } })
    #expect(verdict.ranks == [2, 3] && verdict.kind == .stuck)
  }

  @Test func patienceBeginsWithTheTrainingOfARank() {
    var scene = Scene(ranks: 2)
    scene.places[1].phase = Place.absent
    #expect(scene.run(60) { Self.works(&$0[0]) } == nil)
    scene.places[1].phase = 1
    #expect(scene.run(9) { Self.works(&$0[0]) } == nil)
    #expect(scene.run(9) { Self.works(&$0[0]) }?.0.ranks == [1])
  }

  /// Ranks are called as in the job, whatever group of it trains.
  @Test func aReportCallsRanksAsTheJobDoes() {
    var place = Place()
    (place.phase, place.step) = (2, 12)
    var computing = place
    (computing.phase, computing.samples, computing.instruction) = (1, 8, 1)
    let report = StallReport(
      numbers: [4, 5, 7], machines: ["east", "east", "west"], instructions: [8: ["0 load", "1 multiply"]])
    let text = report.text(
      .init(ranks: [2], kind: .stuck, seconds: 30, waiting: [0, 1]), [place, place, computing])
    let lines = text.split(separator: "\n")
    #expect(lines[0].hasPrefix("no progress for 30"), "\(text)")
    #expect(
      lines[0].hasSuffix(
        "rank 7 on west runs, but stands still, in step 12, computing instruction 2 of 2: 1 multiply"),
      "\(text)")
    #expect(lines[1] == "  ranks 4, 5 on east: in step 12, averaging, waiting for others", "\(text)")
    #expect(lines[2].hasPrefix("  rank 7 on west: in step 12, computing"), "\(text)")
  }

  @Test func othersAreNotBlamedForWhatNobodyHereHasRead() {
    var scene = Scene(ranks: 4, here: 0..<2)
    for rank in 2..<4 { scene.places[rank].pulse = -1 }
    let verdict = scene.run(
      60,
      each: { places in for rank in 0..<2 { Self.works(&places[rank]) } }, polls: false)
    #expect(verdict == nil)
  }

  // MARK: Ranks that come and go

  @Test func othersMayHaveToWaitForRanksThatAreAway() {
    var scene = Scene(ranks: 4, here: 0..<2, comesAndGoes: true)
    for rank in [1, 3] { scene.places[rank].phase = Place.absent }
    #expect(
      scene.run(100) { places in for rank in [0, 2] { Self.waits(&places[rank]) } } == nil,
      "those here and those elsewhere that are away may take their time")
    // Of those elsewhere nothing comes while they are away.
    scene.places[3].pulse = -1
    #expect(scene.run(100) { places in for rank in [0, 2] { Self.waits(&places[rank]) } } == nil)
  }

  @Test func whoIsAwayMustStillRun() throws {
    var scene = Scene(ranks: 2, comesAndGoes: true)
    scene.places[1].phase = Place.absent
    #expect(scene.run(20) { Self.works(&$0[0]) } == nil)
    scene.places[1].pulse = -1
    let (verdict, after) = try #require(scene.run(100) { Self.works(&$0[0]) })
    #expect(verdict.ranks == [1] && verdict.kind == .stopped)
    #expect(after > 13 && after < 15, "those who watch its training are to tell it first: \(after)")
  }

  @Test func whoIsBackAndDoesNothingIsBlamed() throws {
    var scene = Scene(ranks: 2, comesAndGoes: true)
    scene.places[1].phase = Place.absent
    #expect(scene.run(20) { Self.works(&$0[0]) } == nil)
    scene.places[1].phase = 1
    let (verdict, _) = try #require(scene.run(100) { Self.works(&$0[0]) })
    #expect(verdict.ranks == [1] && verdict.kind == .stuck)
  }

  // MARK: The board

  @Test func ranksOfAMachineSeeEachOthersPlacesAndOneClaims() throws {
    try InProcessWorld.run(ranks: 3) { world in
      let board = try PlaceBoard(over: world)
      let whereabouts = Whereabouts(board, of: world, interval: 1)
      whereabouts.begin(step: 7 + world.rank)
      whereabouts.beginPass(samples: 16)
      whereabouts.instruction.pointee.store(4, ordering: .relaxed)
      try world.barrier()
      for rank in 0..<3 {
        let place = board[rank]
        if (place.step, place.samples, place.instruction) != (7 + rank, 16, 4) {
          throw Unexpected("rank \(world.rank) sees \(place) of rank \(rank)")
        }
        if place.isPresent { throw Unexpected("no phase has begun") }
      }
      try world.barrier()
      let claims = try world.allgather(bytes: [board.claim() ? 1 : 0])
      if claims.reduce(0, { $0 + Int($1[0]) }) != 1 || !board.isClaimed { throw Unexpected("\(claims)") }
      if board.note != nil { throw Unexpected("\(board.note ?? "")") }
    }
  }
}

private struct Unexpected: Error {
  let text: String
  init(_ text: String) { self.text = text }
}
