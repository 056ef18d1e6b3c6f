import Foundation
import Testing

import Training

@Suite struct TerminalTests {
  private let environment = ["OMPI_COMM_WORLD_SIZE": "2", "TERM": "xterm", "LANG": "C.UTF-8"]

  @Test func behindALauncherTheLaunchersTerminalCounts() throws {
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    try #require(master >= 0)
    defer { close(master) }
    // TIOCSPTLCK and TIOCGPTN of ioctl_tty(2), which have no names in Swift.
    var (lock, number): (Int32, UInt32) = (0, 0)
    try #require(ioctl(master, 0x4004_5431, &lock) == 0 && ioctl(master, 0x8004_5430, &number) == 0)
    let name = "/dev/pts/\(number)"
    var size = winsize(ws_row: 20, ws_col: 97, ws_xpixel: 0, ws_ypixel: 0)
    try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
    let terminal = Terminal.behindLauncher(output: name, environment: environment)
    #expect(terminal == Terminal(isInteractive: true, hasColor: true, hasUnicode: true, width: 97))
  }

  @Test func behindALauncherAFileAPipeAndNothingAreNoTerminals() throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "terminal-\(UUID().uuidString)").path
    #expect(FileManager.default.createFile(atPath: file, contents: nil))
    defer { try? FileManager.default.removeItem(atPath: file) }
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { ends.forEach { close($0) } }
    for output in [file, "/proc/self/fd/\(ends[1])", "/dev/null", file + "-missing"] {
      #expect(!Terminal.behindLauncher(output: output, environment: environment).isInteractive, "\(output)")
    }
  }
}
