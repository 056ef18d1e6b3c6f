import Foundation

#if FUZZING
  /// LOCKSTEP_FUZZ names the reader, TMPDIR the folder for its input.
  private let fuzzed: (target: ReaderTarget, folder: InputFolder) = {
    let name = ProcessInfo.processInfo.environment["LOCKSTEP_FUZZ"] ?? ""
    guard let target = ReaderTarget.all.first(where: { $0.name == name }) else {
      ReaderTarget.fail("LOCKSTEP_FUZZ is \(name), not a reader")
    }
    let temporary = FileManager.default.temporaryDirectory.path
    guard let folder = try? InputFolder(at: "\(temporary)/reader-fuzzer-\(getpid())") else {
      ReaderTarget.fail("cannot make a folder in \(temporary)")
    }
    return (target, folder)
  }()

  /// What libFuzzer calls with one input after the other.
  @_cdecl("LLVMFuzzerTestOneInput")
  public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    _ = fuzzed.target.examine(UnsafeBufferPointer(start: bytes, count: count), in: fuzzed.folder)
    return 0
  }
#else
  /// `reader-fuzzer READER CORPUS MUTATIONS FOLDER`: replays; the input in FOLDER is the last that was tried.
  /// `reader-fuzzer READER FILE`: reads one file. `reader-fuzzer --list`: the readers, a line each.
  /// `reader-fuzzer --large NAME FOLDER`: makes a large file and reads it. `reader-fuzzer --large`: their names.
  @main struct Entry {
    static func main() throws {
      let arguments = CommandLine.arguments.dropFirst().map { $0 }
      if arguments == ["--list"] {
        for target in ReaderTarget.all { print(target.name, target.greatestInput) }
        return
      }
      if arguments.first == "--large" { return try large(Array(arguments.dropFirst())) }
      guard [2, 4].contains(arguments.count),
        let target = ReaderTarget.all.first(where: { $0.name == arguments[0] })
      else { ReaderTarget.fail("READER CORPUS MUTATIONS FOLDER, READER FILE, --list or --large") }
      if arguments.count == 4 {
        var replay = try Replay(target, mutations: Int(arguments[2]) ?? 0, in: InputFolder(at: arguments[3]))
        return try replay.run(arguments[1])
      }
      let folder = try InputFolder(
        at: "\(FileManager.default.temporaryDirectory.path)/reader-fuzzer-\(getpid())")
      defer { try? FileManager.default.removeItem(atPath: folder.path) }
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: arguments[1])))
      let isRead = bytes.withUnsafeBufferPointer { target.examine($0, in: folder, telling: true) }
      print(isRead ? "read" : "refused")
    }

    private static func large(_ arguments: [String]) throws {
      if arguments.isEmpty { return print(LargeFile.all.map(\.name).joined(separator: "\n")) }
      guard arguments.count == 2, let file = LargeFile.all.first(where: { $0.name == arguments[0] }) else {
        ReaderTarget.fail("--large NAME FOLDER, or --large")
      }
      try file.examine(in: InputFolder(at: arguments[1]))
    }
  }
#endif
