import Testing
import Training

@Suite struct HostfileTests {
  private func hosts(_ text: String) throws -> [Hostfile.Host] { try Hostfile(text, path: "hosts").hosts }

  @Test func linesNameHostsAndTheirSlots() throws {
    let text = """
      # the cluster
      node1 slots=4

      node2.local   slots=2 max_slots=4   # half of it
      \tuser@node-3\tmax_slots=8
      """
    #expect(
      try hosts(text) == [
        .init("node1", slots: 4), .init("node2.local", slots: 2), .init("user@node-3", slots: nil),
      ])
  }

  @Test func aHostOnSeveralLinesHasASlotForEach() throws {
    #expect(try hosts("a\nb\na\na\n") == [.init("a", slots: 3), .init("b", slots: nil)])
    #expect(try hosts("a slots=2\nb\na slots=3") == [.init("a", slots: 5), .init("b", slots: nil)])
  }

  @Test(arguments: [
    ("node1\n\nnode2 slots=0\n", "hosts, line 3", "\"slots=0\""),
    ("a\nb slots=x", "hosts, line 2", "\"slots=x\""),
    ("a:4", "hosts, line 1", "\"a:4\""), ("# one\na slot=4", "hosts, line 2", "\"slot=4\""),
    ("a 4", "hosts, line 1", "\"4\""), ("-n 4", "hosts, line 1", "\"-n\""), ("# none\n", "hosts", "none"),
  ]) func whatCannotBeReadIsNamedWithItsLine(text: String, place: String, found: String) throws {
    let error = try #require(throws: LaunchError.self) { try Hostfile(text, path: "hosts") }
    #expect(error.diagnosis.place == place && error.diagnosis.found == found, "\(error)")
  }

  @Test func aMissingFileIsNamed() throws {
    let error = try #require(throws: LaunchError.self) { try Hostfile(at: "/nowhere/hosts") }
    #expect(error.diagnosis.place == "/nowhere/hosts")
  }
}
