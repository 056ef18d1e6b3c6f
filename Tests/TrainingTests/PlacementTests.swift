import Testing
import Training

@Suite struct PlacementTests {
  /// A rank on a machine of so many cores, each with so many hardware threads numbered `core + n · cores`.
  private func rank(
    _ processors: [Int], cores: Int = 8, hardwareThreads: Int = 1, threads: Int = 1, usable: Int? = nil
  ) -> RankPlace {
    RankPlace(
      machine: "node1", processors: processors, cores: Set(processors.map { $0 % cores }).sorted(),
      machineCores: cores, usable: usable ?? cores * hardwareThreads, threads: threads)
  }

  private func fault(_ places: [RankPlace]) -> PlacementFault? {
    PlacementFault.find(places, on: [0..<places.count]).first
  }

  @Test func ranksWithCoresOfTheirOwnAreWell() {
    #expect(fault([rank([0]), rank([1])]) == nil)
    #expect(fault([rank([0, 1], threads: 2), rank([2, 3], threads: 2)]) == nil)
    // Not bound at all.
    let all = Array(0..<8)
    #expect(fault([rank(all, threads: 4), rank(all, threads: 4)]) == nil)
    #expect(fault([rank([0], cores: 1)]) == nil)
    // Both hardware threads of a core are one core.
    #expect(fault([rank([0, 8], hardwareThreads: 2), rank([1, 9], hardwareThreads: 2)]) == nil)
    // As many ranks as hardware threads: somebody wants it so.
    let every = Array(0..<16)
    #expect(fault((0..<16).map { _ in rank(every, hardwareThreads: 2) }) == nil)
  }

  @Test func ranksThatShareACoreAreNamed() throws {
    let found = try #require(fault([rank([3]), rank([0]), rank([3])]))
    #expect(found.found == "ranks 0, 2 on node1 share 1 core of 8")
    #expect(found.fix.contains("--bind-to core") && found.fix.contains("srun"))
    // One within the room of others.
    let nested = try #require(fault([rank([0, 1]), rank([0]), rank([0, 1])]))
    #expect(nested.found == "ranks 0 to 2 on node1 share 2 cores of 8")
    // Two hardware threads of one core.
    let siblings = try #require(fault([rank([0], hardwareThreads: 2), rank([8], hardwareThreads: 2)]))
    #expect(siblings.found == "ranks 0, 1 on node1 share 1 core of 8")
  }

  @Test func asManyRanksAsCoresAreToHaveOneEach() throws {
    let places = [0, 8, 1, 9, 2, 3, 4, 5].map { rank([$0], hardwareThreads: 2) }
    #expect(try #require(fault(places)).found == "ranks 0, 1 on node1 share 1 core of 8")
  }

  @Test func whereThereIsNoMoreRoomFewerRanksAreAdvised() throws {
    let found = try #require(fault((0..<3).map { _ in rank([0, 1, 2, 3], threads: 2) }))
    #expect(found.found == "ranks 0 to 2 on node1 share 4 cores of 8 for 2 threads each")
    #expect(found.fix.hasSuffix("start at most 2 there"))
  }

  @Test func threadsThatShareACoreAreNamed() throws {
    let found = try #require(fault([rank([0], threads: 2), rank([1], threads: 2)]))
    #expect(found.found == "rank 0 on node1 may use 1 core of 8 for 2 threads")
    #expect(found.fix.contains("slot:PE=2") && found.fix.contains("--cpus-per-task=2"))
  }

  @Test func moreRanksThanProcessorsAreToldSo() throws {
    let both = [0, 1]
    let found = try #require(fault((0..<4).map { _ in rank(both, cores: 2) }))
    #expect(found.found == "4 ranks share 2 processors")
    #expect(found.fix == "it works, but at most 2 here would be faster")
    // A container's share of time counts, wherever ranks are bound to.
    #expect(
      try #require(fault([rank([0], usable: 1), rank([1], usable: 1)])).found == "2 ranks share 1 processor")
    // All of them on one core is worse than that.
    let crowded = try #require(fault((0..<4).map { _ in rank([0], cores: 2) }))
    #expect(crowded.found == "ranks 0 to 3 on node1 share 1 processor of 2")
  }

  @Test func eachMachineIsLookedAtByItself() {
    let places = [rank([0]), rank([1]), rank([0]), rank([0])]
    #expect(
      PlacementFault.find(places, on: [0..<2, 2..<4]).map(\.found) == [
        "ranks 2, 3 on node1 share 1 core of 8"
      ])
    #expect(PlacementFault.find(places, on: [0..<1, 1..<2, 2..<3, 3..<4]).isEmpty)
  }

  @Test func aProcessReadsItsOwnPlace() {
    let place = RankPlace(
      machine: "x", threads: 1, status: "Name:\tx\nCpus_allowed_list:\t1,4-5\n", online: 8, usable: 8
    ) { "\($0 % 4),\($0 % 4 + 4)\n" }
    #expect(place.processors == [1, 4, 5])
    #expect(place.cores == [0, 1] && place.machineCores == 4)
    let unknown = RankPlace(machine: "x", threads: 1, status: "", online: 2, usable: 2) { _ in nil }
    #expect(unknown.processors == [0, 1] && unknown.cores == [0, 1] && unknown.machineCores == 2)
  }
}
