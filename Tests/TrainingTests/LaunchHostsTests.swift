import Testing
import Training

@Suite struct LaunchHostsTests {
  private func hosts(_ text: String, ranks: Int) throws -> LaunchHosts {
    LaunchHosts(ranks: ranks, hostfile: try Hostfile(text, path: "hosts"))
  }

  @Test func withoutAFailureMpirunGetsTheFileItself() throws {
    let hosts = try hosts("a slots=2\nb slots=2", ranks: 3)
    #expect(hosts.ranks == 3 && hosts.arguments == ["--hostfile", "hosts"])
    let own = LaunchHosts(ranks: 5, hostfile: nil)
    #expect(own.ranks == 5 && own.arguments.isEmpty)
  }

  @Test func aLostHostIsLeftOutAtOnceAndItsSlotsWithIt() throws {
    var hosts = try hosts("a slots=2\nb slots=4\nc", ranks: 7)
    let out = hosts.judge(lost: [("b.cluster.local", "gone")], crashed: nil, progressed: true)
    #expect(out.map(\.name) == ["b"] && out.map(\.reason) == ["gone"])
    // The slots of c are unknown: an equal part of 7 ranks on 3 hosts, 3.
    #expect(hosts.ranks == 5 && hosts.arguments == ["--host", "a:2,c:*"])
    #expect(hosts.judge(lost: [("b", "gone")], crashed: nil, progressed: false).isEmpty)
  }

  @Test func ranksBeyondTheSlotsShrinkInProportion() throws {
    var hosts = try hosts("a slots=2\nb slots=1\nc slots=1", ranks: 8)
    _ = hosts.judge(lost: [("a", "gone")], crashed: nil, progressed: false)
    #expect(hosts.ranks == 4)
  }

  @Test func ranksStayAsFewAsTheyWere() throws {
    var hosts = try hosts("a slots=2\nb slots=4\nc slots=4", ranks: 3)
    _ = hosts.judge(lost: [("a", "gone")], crashed: nil, progressed: false)
    #expect(hosts.ranks == 3)
  }

  /// Where a host is lost, ranks on others end too: that is not their host's fault.
  @Test func crashesBesideALossAreNotCounted() throws {
    var hosts = try hosts("a slots=1\nb slots=1\nc slots=1", ranks: 3)
    #expect(hosts.judge(lost: [], crashed: "b", progressed: false).isEmpty)
    #expect(hosts.judge(lost: [("a", "gone")], crashed: "b", progressed: false).map(\.name) == ["a"])
    #expect(hosts.judge(lost: [], crashed: "b", progressed: false).isEmpty, "the loss was in between")
    #expect(hosts.judge(lost: [], crashed: "b", progressed: false).map(\.name) == ["b"])
  }

  @Test func aHostWhoseRankCrashedStaysUntilTheSecondTimeInARow() throws {
    var hosts = try hosts("a slots=1\nb slots=1\nc slots=1", ranks: 3)
    func crash(_ host: String?, progressed: Bool = false) -> [String] {
      hosts.judge(lost: [], crashed: host, progressed: progressed).map(\.name)
    }
    #expect(crash("b").isEmpty)
    #expect(crash("c").isEmpty)
    #expect(crash("b").isEmpty, "another crashed in between")
    #expect(crash("b", progressed: true).isEmpty, "there was progress in between")
    #expect(crash("elsewhere").isEmpty)
    #expect(crash("b") == ["b"])
    #expect(hosts.ranks == 2 && hosts.arguments == ["--host", "a:1,c:1"])
    #expect(crash("a").isEmpty)
    #expect(crash("a") == ["a"])
    #expect(crash("c").isEmpty)
    #expect(crash("c").isEmpty, "the last stays")
    #expect(hosts.ranks == 1)
  }

  @Test func hostsAreFoundByTheNamesThatMachinesGiveThemselves() throws {
    let hosts = try hosts("ann@node1\nnode10\nnode2.cluster", ranks: 3)
    #expect(hosts.listed("node1") == "ann@node1")
    #expect(hosts.listed("node1.cluster") == "ann@node1")
    #expect(hosts.listed("node10") == "node10")
    #expect(hosts.listed("node2") == "node2.cluster")
    #expect(hosts.listed("node3") == nil)
    // The whole name decides where there are several of the same beginning.
    let sites = try self.hosts("node1.east\nnode1.west", ranks: 2)
    #expect(sites.listed("node1.west") == "node1.west")
  }
}
