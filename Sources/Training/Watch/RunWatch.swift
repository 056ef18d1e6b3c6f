import Foundation
import MessagePassing
import Synchronization

/// Watches that a training goes on: every rank says where it is, and a thread of every process looks at all of them.
///
/// Where a rank stands still for longer than the patience, the first process of its machine to see it tells so, once,
/// with the places of all ranks, and the job ends: by `MPI_Abort` where this process's main thread waits for others,
/// else by the end of the process. The thread calls nothing of MPI's.
final class RunWatch {
  /// What the job exits with: EX_PROTOCOL.
  static let exitCode: Int32 = 76

  /// Where this rank says where it is.
  let whereabouts: Whereabouts
  /// Why machines are watched by messages that could be watched in memory.
  let note: String?
  private let communicator: any Communicator
  private let ends: Ends

  /// Whether the thread is to end.
  private final class Ends: Sendable {
    let now = Atomic<Bool>(false)
  }

  /// All ranks call it.
  ///
  /// - Parameters:
  ///   - patience: seconds without progress.
  ///   - instructions: what the instructions of the training plans are, by the samples of a pass.
  ///   - comesAndGoes: whether ranks leave for trainings that are watched by themselves, and come back.
  init(
    over communicator: any Communicator, patience: Double, instructions: [Int: [String]] = [:],
    comesAndGoes: Bool = false
  ) throws {
    let board = try PlaceBoard(over: communicator)
    let places = try communicator.allgather(
      bytes: Array("\(communicator.rankInJob) \(communicator.machine.name)".utf8)
    ).map { String(decoding: $0, as: UTF8.self).split(separator: " ", maxSplits: 1) }
    self.communicator = communicator
    note = board.note
    whereabouts = Whereabouts(board, of: communicator, interval: min(5, patience / 5))
    let ends = Ends()
    self.ends = ends
    (communicator as? MPICommunicator)?.whereabouts = whereabouts
    var report = StallReport(
      numbers: places.map { Int($0[0]) ?? 0 }, machines: places.map { String($0.last ?? "") },
      instructions: instructions)
    if comesAndGoes { report.absence = "in the training of a member" }
    let watcher = Watcher(
      board: board, rank: communicator.rank, patience: patience, report: report, comesAndGoes: comesAndGoes)
    let thread = Thread { while !ends.now.load(ordering: .relaxed), watcher.look() {} }
    thread.stackSize = 1 << 20
    thread.start()
  }

  /// This rank does not take part any more.
  func end() {
    ends.now.store(true, ordering: .relaxed)
    whereabouts.leave()
    (communicator as? MPICommunicator)?.whereabouts = nil
  }
}

/// What the watching thread does.
private final class Watcher: @unchecked Sendable {
  private let board: PlaceBoard
  private let rank: Int
  private let report: StallReport
  private let comesAndGoes: Bool
  private let interval: Double
  private var judge: StallJudge
  private var claimSeen: Double?
  private var hasBlockedSignals = false
  private var transfers = TransferCount()

  init(board: PlaceBoard, rank: Int, patience: Double, report: StallReport, comesAndGoes: Bool) {
    self.comesAndGoes = comesAndGoes
    self.board = board
    self.rank = rank
    self.report = report
    interval = min(0.25, patience / 8)
    judge = StallJudge(
      ranks: board.size, here: board.group, patience: patience, interval: interval,
      transferring: TimeAccount.Phase.transferring, comesAndGoes: comesAndGoes, now: MonotonicTime.seconds)
  }

  /// One round. Returns whether there is to be another.
  func look() -> Bool {
    blockSignals()
    usleep(UInt32(interval * 1e6))
    let line = board.line(ofRank: rank)
    line[Place.Field.pulse.rawValue].wrappingAdd(1, ordering: .relaxed)
    let own = board[rank]
    if TimeAccount.Phase.transferring.contains(own.phase) {
      line[Place.Field.transferred.rawValue].store(transfers.count, ordering: .relaxed)
    }
    let now = MonotonicTime.seconds
    if let claimSeen {
      // Another of this machine has told it, and the job is about to end.
      if now - claimSeen > 2 { _exit(RunWatch.exitCode) }
      return true
    }
    if board.isClaimed { claimSeen = now }
    let places = places()
    guard let verdict = judge.look(at: places, polls: board.polls, now: now),
      own.isPresent || comesAndGoes, board.claim()
    else { return true }
    end(verdict, places)
  }

  private func places() -> [Place] {
    var places = (0..<board.size).map { board[$0] }
    guard comesAndGoes else { return places }
    // Of another machine nothing is heard while the rank that tells of it is away.
    for group in board.groups where group != board.group && !places[group.lowerBound].isPresent {
      for rank in group { places[rank].phase = Place.absent }
    }
    return places
  }

  private func end(_ verdict: StallJudge.Verdict, _ places: [Place]) -> Never {
    let text = "lockstep: " + report.text(verdict, places) + "\n"
    FileHandle.standardError.writeIgnoringErrors(text)
    // The main thread ends all machines at once, where it comes by.
    Alarm.raise(exitCode: RunWatch.exitCode)
    usleep(1_000_000)
    _exit(RunWatch.exitCode)
  }

  /// Signals are the main thread's.
  private func blockSignals() {
    guard !hasBlockedSignals else { return }
    hasBlockedSignals = true
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
  }
}
