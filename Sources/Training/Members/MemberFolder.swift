import Checkpoints
import Foundation
import TensorCore

/// The folder of several trainings that belong together, on a file system that all ranks see:
///
///     plan.json           the members, settled at the first start
///     members/007/        a run's folder, with member.json once it is settled
///     claims/007          who trains it, in the start under way
///     interruptions.json  members that were under way when a start ended without a word
///     results.json, results.csv, log.txt
package struct MemberFolder: Sendable {
  package let path: String

  package init(path: String) { self.path = path }

  var planPath: String { "\(path)/\(MemberPlan.name)" }
  var logPath: String { "\(path)/log.txt" }
  private var claimsPath: String { "\(path)/claims" }
  private var interruptionsPath: String { "\(path)/interruptions.json" }
  private var stopPath: String { "\(claimsPath)/stop" }

  package func path(of member: Member) -> String { "\(path)/members/\(member.name)" }

  func plan() throws(TrainingError) -> MemberPlan {
    try MemberPlan(Array(FileManager.default.contents(atPath: planPath) ?? Data()), at: planPath)
  }

  // MARK: - Outcomes

  package func outcome(of member: Member) -> MemberOutcome? {
    FileManager.default.contents(atPath: outcomePath(of: member)).flatMap { MemberOutcome(Array($0)) }
  }

  /// Whether there is an outcome, at the least cost.
  func isSettled(_ member: Member) -> Bool { access(outcomePath(of: member), F_OK) == 0 }

  private func outcomePath(of member: Member) -> String { "\(path(of: member))/\(MemberOutcome.name)" }

  package func settle(_ member: Member, _ outcome: MemberOutcome) throws {
    try FileManager.default.createDirectory(atPath: path(of: member), withIntermediateDirectories: true)
    try atomicWrite(outcome.encoded(), to: outcomePath(of: member))
  }

  func removeOutcome(of member: Member) {
    try? FileManager.default.removeItem(atPath: outcomePath(of: member))
  }

  /// The newest checkpoint's step.
  func newestStep(of member: Member) -> Int? {
    (try? CheckpointStore(reading: path(of: member) + "/checkpoints").list())?.last
  }

  // MARK: - Claims

  /// Whether the caller is the first to want a member in this start. The file system decides: of several that create a
  /// file exclusively one succeeds, on network file systems too. The claim stays until the next start.
  package func claim(_ member: Member, as holder: String) throws(TrainingError) -> Bool {
    let file = "\(claimsPath)/\(member.name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      if errno == EEXIST { return false }
      throw TrainingError(
        at: file, expected: "to note who trains the member", found: String(cString: strerror(errno)),
        remedy: "See that the folder can be written, on every machine, then go on with --resume.")
    }
    // For people only: the claim is that the file is there.
    let text = Array("\(holder)\n".utf8)
    _ = write(descriptor, text, text.count)
    close(descriptor)
    return true
  }

  /// Takes a claim back: its member is saved, and nobody is to think that it was interrupted.
  package func unclaim(_ member: Member) { unlink("\(claimsPath)/\(member.name)") }

  /// Asks all groups to save and end.
  func requestStop() { _ = FileManager.default.createFile(atPath: stopPath, contents: nil) }

  var isStopRequested: Bool { access(stopPath, F_OK) == 0 }

  // MARK: - The beginning of a start

  /// How often a start ended while a member was under way, since its newest checkpoint.
  package struct Interruption: Codable, Equatable, Sendable {
    package var count: Int
    package var newestStep: Int?

    package init(count: Int, newestStep: Int?) { (self.count, self.newestStep) = (count, newestStep) }
  }

  /// Counts the members that were under way when the last start ended without a word, and forgets its claims. One process
  /// calls it, before any claims.
  ///
  /// - Parameter forgets: whether what was counted before is forgotten.
  package func takeUpInterruptions(_ members: [Member], forgets: Bool) throws -> [Int: Interruption] {
    var counts: [Int: Interruption] = [:]
    if !forgets, let data = FileManager.default.contents(atPath: interruptionsPath),
      JSONBounds.excess(in: Array(data), values: 100_000, depth: 4) == nil
    {
      counts = (try? JSONDecoder().decode([Int: Interruption].self, from: data)) ?? [:]
    }
    let claims = Set((try? FileManager.default.contentsOfDirectory(atPath: claimsPath)) ?? [])
    for member in members where !forgets && claims.contains(member.name) && outcome(of: member) == nil {
      let newest = newestStep(of: member)
      let before = counts[member.number]
      let isFurther = (newest ?? -1) > (before?.newestStep ?? -1)
      counts[member.number] = Interruption(
        count: isFurther ? 1 : (before?.count ?? 0) + 1, newestStep: newest)
    }
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try atomicWrite(Array(JSONEncoder().encode(counts)), to: interruptionsPath)
    try? FileManager.default.removeItem(atPath: claimsPath)
    try FileManager.default.createDirectory(atPath: claimsPath, withIntermediateDirectories: true)
    return counts
  }
}
