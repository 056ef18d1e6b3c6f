import Foundation

/// Gives a reader every file of a corpus, and changed copies of the good ones, and measures what each takes.
struct Replay {
  let target: ReaderTarget
  let mutations: Int
  let folder: InputFolder
  private var inputs = 0
  private var refused = 0
  private var slowest = 0.0
  private var greatest = 0
  /// What the process holds before it reads anything.
  private let memoryBefore: Int

  /// Nothing here may take longer; the readers need milliseconds.
  private static let mostSeconds = 5.0

  init(_ target: ReaderTarget, mutations: Int, in folder: InputFolder) {
    (self.target, self.mutations, self.folder) = (target, mutations, folder)
    ProcessMemory.forgetPeak()
    memoryBefore = ProcessMemory.peak
  }

  /// - Parameter corpus: files that begin with `good` must be read, those that begin with `bad` be refused.
  mutating func run(_ corpus: String) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: corpus).sorted()
    guard names.contains(where: { $0.hasPrefix("good") }) else {
      ReaderTarget.fail("no good file in \(corpus)")
    }
    for name in names {
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(corpus)/\(name)")))
      let isRead = examine(bytes, "\(target.name)/\(name)")
      if name.hasPrefix("good"), !isRead { ReaderTarget.fail("\(target.name)/\(name) is refused") }
      if name.hasPrefix("bad"), isRead { ReaderTarget.fail("\(target.name)/\(name) is read") }
    }
    for name in names where name.hasPrefix("good") {
      let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(corpus)/\(name)")))
      var copies = Mutations(of: bytes, name: name)
      for number in 0..<mutations { _ = examine(copies.next(), "\(target.name)/\(name), mutation \(number)") }
    }
    print(
      "\(target.name): \(inputs) inputs, \(refused) refused; the slowest took "
        + "\((slowest * 1000).rounded() / 1000) s, the greatest \(greatest >> 20) MiB")
  }

  private mutating func examine(_ bytes: [UInt8], _ name: String) -> Bool {
    let limit = target.memory(bytes.count)
    let start = DispatchTime.now().uptimeNanoseconds
    let isRead = bytes.withUnsafeBufferPointer { target.examine($0, in: folder) }
    let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
    let taken = ProcessMemory.peak - memoryBefore
    // The next input may be allowed less.
    if taken > target.memory(0) / 2 { ProcessMemory.forgetPeak() }
    if seconds > Self.mostSeconds { ReaderTarget.fail("\(name): \(seconds) s") }
    if taken > limit { ReaderTarget.fail("\(name): \(taken) bytes of memory for \(bytes.count)") }
    inputs += 1
    if !isRead { refused += 1 }
    slowest = max(slowest, seconds)
    greatest = max(greatest, taken)
    return isRead
  }
}

/// What this process holds in memory, as the kernel counts it.
enum ProcessMemory {
  /// In bytes, since the peak was forgotten.
  static var peak: Int {
    let file = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    var status = [UInt8](repeating: 0, count: 4096)
    let count = status.withUnsafeMutableBytes { Foundation.read(file, $0.baseAddress, $0.count) }
    guard file >= 0, count > 0, let place = status.firstRange(of: "VmHWM:".utf8) else {
      ReaderTarget.fail("/proc/self/status")
    }
    let digits = status[place.upperBound...].drop { $0 <= 0x20 }.prefix { $0 > 0x20 }
    return digits.reduce(0) { 10 * $0 + Int($1) - 0x30 } << 10
  }

  /// Lets the peak be what is held now.
  static func forgetPeak() {
    let file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
    guard file >= 0, Foundation.write(file, "5", 1) == 1 else { ReaderTarget.fail("/proc/self/clear_refs") }
    close(file)
  }
}
