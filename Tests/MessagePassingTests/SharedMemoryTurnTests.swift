import Foundation
import Testing

import MessagePassing

@Suite struct SharedMemoryTurnTests {
  @Test func oneAtATimeAndNobodyForEver() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/lockstep-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let first = try #require(SharedMemoryTurn(in: folder))
    var looks = 0
    #expect(SharedMemoryTurn(in: folder, patience: 0.1, lookAround: { looks += 1 }) == nil)
    #expect(looks > 0)
    first.end()
    var second = SharedMemoryTurn(in: folder, patience: 0.1)
    #expect(second != nil)
    // A turn ends with its holder, too.
    second = nil
    #expect(SharedMemoryTurn(in: folder, patience: 0.1) != nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
  }

  @Test func withoutAFolderThereIsNoTurn() { #expect(SharedMemoryTurn(in: "/nowhere") == nil) }
}
