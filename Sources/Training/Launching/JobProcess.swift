import CProcesses
import Foundation

/// A program that this process has started and whose standard error it passes on and listens to. When this process
/// dies, however it does, the program gets SIGTERM.
final class JobProcess {
  /// How it ended.
  struct Ending {
    /// 128 and the signal's number where a signal ended it.
    var exitCode: Int32
    /// The signal that ended the program itself.
    var signal: Int32?
    /// What its standard error told.
    var failure: JobFailure
  }

  let process: pid_t
  private let errors: Int32
  private let signals: LaunchSignals
  private var status: Int32?
  private var isOpen = true
  private var cutter = LineCutter()
  private var failure = JobFailure()
  /// Processes that are none of the program's.
  private let others: Set<pid_t>

  init(
    _ path: String, arguments: [String], environment: [String: String], signals: LaunchSignals
  ) throws(LaunchError) {
    self.signals = signals
    others = Set(Orphans.children)
    var pipeEnds: [Int32] = [-1, -1]
    guard pipe(&pipeEnds) == 0 else { throw Self.failure(path, errno) }
    for end in pipeEnds { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    errors = pipeEnds[0]
    process = Self.spawn(path, arguments: arguments, environment: environment, errors: pipeEnds[1])
    let code = errno
    close(pipeEnds[1])
    if process < 0 {
      close(errors)
      throw Self.failure(path, code)
    }
  }

  deinit { close(errors) }

  private static func failure(_ path: String, _ code: Int32) -> LaunchError {
    LaunchError(
      at: path, expected: "to start it", found: String(cString: strerror(code)),
      remedy: "Mend that, and launch again.")
  }

  /// Starts a program; returns its number, or -1 with errno set.
  static func spawn(
    _ path: String, arguments: [String], environment: [String: String], errors: Int32
  ) -> pid_t {
    var argumentPointers = ([path] + arguments).map { strdup($0) } + [nil]
    var variablePointers = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in argumentPointers + variablePointers { free(pointer) } }
    fflush(nil)
    return lockstep_spawn(path, &argumentPointers, &variablePointers, errors, SIGTERM)
  }

  func send(_ signal: Int32) { if status == nil { kill(process, signal) } }

  /// Waits for its end, passing on what it writes.
  ///
  /// - Parameter requested: called at each signal by which this process is asked to stop.
  func run(requested: (Int32) -> Void) -> Ending {
    while status == nil {
      var descriptors = [
        pollfd(fd: isOpen ? errors : -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      poll(&descriptors, 2, -1)
      if descriptors[0].revents != 0 { passOn() }
      while let signal = signals.next() {
        if signal == SIGCHLD { reap() } else { requested(signal) }
      }
    }
    let code = status ?? 0
    let signal = code & 0x7F
    let exitCode = signal == 0 ? (code >> 8) & 0xFF : 128 + signal
    if exitCode != 0 { Orphans.end(except: others) }
    drain()
    return Ending(exitCode: exitCode, signal: signal == 0 ? nil : signal, failure: failure)
  }

  /// Takes the status of every child that has ended: orphans of the program's become children of this process.
  private func reap() {
    var code: Int32 = 0
    while true {
      let child = waitpid(-1, &code, WNOHANG)
      guard child > 0 else { return }
      if child == process { status = code }
    }
  }

  /// What is on its way when the program has ended; others that have its standard error may keep it open.
  private func drain() {
    let end = MonotonicTime.seconds + 0.5
    while isOpen, MonotonicTime.seconds < end {
      var descriptor = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
      if poll(&descriptor, 1, 50) > 0 { passOn() }
    }
    for line in cutter.add([UInt8(ascii: "\n")]) { failure.read(line) }
  }

  private func passOn() {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(errors, &buffer, buffer.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return }
    guard count > 0 else {
      isOpen = false
      return
    }
    Self.write(buffer[..<count])
    for line in cutter.add(buffer[..<count]) { failure.read(line) }
  }

  /// Writes to this process's standard error; what nobody reads is lost.
  static func write(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
      if written > 0 {
        rest = rest.dropFirst(written)
      } else if errno == EAGAIN {
        var descriptor = pollfd(fd: 2, events: Int16(POLLOUT), revents: 0)
        poll(&descriptor, 1, 1000)
      } else if errno != EINTR {
        return
      }
    }
  }
}

/// The signals that concern a launch, waited for on a descriptor: those that ask it to stop, and the end of a child.
struct LaunchSignals {
  static let stopping = [SIGTERM, SIGINT, SIGUSR1]

  let descriptor: Int32

  /// Blocks them in this thread and those that it will start; call before there are others.
  init() throws(LaunchError) {
    let numbers = Self.stopping + [SIGCHLD]
    descriptor = lockstep_signal_descriptor(numbers, Int32(numbers.count))
    guard descriptor >= 0 else {
      throw LaunchError(
        at: "signals", expected: "to wait for them", found: String(cString: strerror(errno)),
        remedy: "Mend that, and launch again.")
    }
  }

  /// One that has come, or nil.
  func next() -> Int32? {
    let signal = lockstep_next_signal(descriptor)
    return signal == 0 ? nil : signal
  }

  /// Waits so many seconds, or until a signal asks to stop: which is returned.
  func sleep(_ seconds: Double) -> Int32? {
    let end = MonotonicTime.seconds + seconds
    while true {
      while let signal = next() { if signal != SIGCHLD { return signal } }
      let left = end - MonotonicTime.seconds
      guard left > 0 else { return nil }
      var descriptor = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      poll(&descriptor, 1, Int32(min(left * 1000 + 1, 60_000)))
    }
  }
}
