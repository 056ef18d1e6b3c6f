import Foundation
import TensorCore

/// One reader, to be given files that want to do harm.
struct ReaderTarget: Sendable {
  /// As the folder of its files in Tests/Corpus is called.
  let name: String
  /// The most bytes of an input that libFuzzer makes: slower readers get shorter ones.
  let greatestInput: Int
  /// The most memory that an input of so many bytes may take, the least that anything may take included.
  let memory: @Sendable (Int) -> Int
  /// Reads the file, and what it got out of it. Throws what the reader throws.
  let read: @Sendable (InputFolder) throws -> Void

  init(
    _ name: String, greatestInput: Int = 1 << 14,
    memory: @escaping @Sendable (Int) -> Int = { (64 << 20) + 2 * $0 },
    read: @escaping @Sendable (InputFolder) throws -> Void
  ) {
    (self.name, self.greatestInput, self.memory, self.read) = (name, greatestInput, memory, read)
  }

  /// Gives the reader an input. It may succeed (true), or fail with an error that names the file and can be shown to
  /// somebody (false); all else ends the process.
  func examine(_ input: UnsafeBufferPointer<UInt8>, in folder: InputFolder, telling: Bool = false) -> Bool {
    folder.write(input)
    return examine(folder, telling: telling)
  }

  /// The same with what is there already.
  func examine(_ folder: InputFolder, telling: Bool = false) -> Bool {
    do {
      try read(folder)
      return true
    } catch let error as any DiagnosedError {
      if telling { print(error) }
      Self.check(error.diagnosis, in: folder)
      return false
    } catch let broken as BrokenPromise {
      Self.fail("\(name): \(broken.text)")
    } catch {
      Self.fail("\(name): \(Swift.type(of: error)) is no DiagnosedError: \(error)")
    }
  }

  private static func check(_ diagnosis: Diagnosis, in folder: InputFolder) {
    if !diagnosis.place.contains(folder.path) { fail("the message does not name the file: \(diagnosis)") }
    let text = diagnosis.description
    if text.utf8.count > 8192 { fail("a message of \(text.utf8.count) bytes") }
    let isPlain = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F..<0xA0).contains($0.value) }
    if !isPlain { fail("control characters in the message: \(text.debugDescription)") }
  }

  static func fail(_ text: String) -> Never {
    fflush(nil)
    FileHandle.standardError.write(Data("reader-fuzzer: \(text)\n".utf8))
    abort()
  }
}

/// A reader succeeded and gave something that cannot be.
struct BrokenPromise: Error {
  let text: String
}

/// Requires what must be so of what was read.
func require(_ condition: Bool, _ text: @autoclosure () -> String) throws {
  if !condition { throw BrokenPromise(text: text()) }
}

/// A folder of this process, with the input as the one file that changes.
final class InputFolder: Sendable {
  let path: String
  /// The input.
  let file: String

  init(at path: String) throws {
    self.path = path
    file = path + "/input"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// Puts a file beside the input.
  func add(_ name: String, _ bytes: [UInt8]) -> String {
    let other = "\(path)/\(name)"
    if !FileManager.default.fileExists(atPath: other) {
      guard FileManager.default.createFile(atPath: other, contents: Data(bytes)) else {
        ReaderTarget.fail("cannot write \(other)")
      }
    }
    return other
  }

  /// Gives the input another name as well, which may lie in a folder within this one.
  func link(_ name: String) {
    let other = "\(path)/\(name)"
    if FileManager.default.fileExists(atPath: other) { return }
    let parent = (other as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    guard symlink(file, other) == 0 else { ReaderTarget.fail("cannot make \(other)") }
  }

  func write(_ input: UnsafeBufferPointer<UInt8>) {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0, Foundation.write(descriptor, input.baseAddress, input.count) == input.count else {
      ReaderTarget.fail("cannot write \(file)")
    }
    close(descriptor)
  }
}
