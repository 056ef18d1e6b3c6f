import Checkpoints
import Foundation
import TensorCore

/// The folder of several trainings that belong together, on a file system that all ranks see:
///
///     plan.json           the members, settled at the first start
///     members/007/        a run's folder, with member.json once it is settled
///     claims/007          who trains it, in the start under way
///     claims/…-START      notes of that start: all are to stop, a group has nothing left to do, a member is saved
///     interruptions.json  members that were under way when a start ended without a word
///     results.json, results.csv, log.txt
package struct MemberFolder: Sendable {
  package let path: String
  /// What the start under way is known by. What belongs to it alone has that in its name: a machine whose file system
  /// shows what was there a moment ago is not to take an earlier start's for it.
  package var start = ""

  package init(path: String) { self.path = path }

  var planPath: String { "\(path)/\(MemberPlan.name)" }
  var logPath: String { "\(path)/log.txt" }
  private var claimsPath: String { "\(path)/claims" }
  private var interruptionsPath: String { "\(path)/interruptions.json" }
  private var stopPath: String { "\(claimsPath)/stop-\(start)" }

  package func path(of member: Member) -> String { "\(path)/members/\(member.name)" }

  func plan() throws(TrainingError) -> MemberPlan {
    try MemberPlan(Self.bytes(planPath, most: MemberPlan.greatestSize) ?? [], at: planPath)
  }

  /// The bytes of a file, one more than `most` where it has more; nil where it cannot be read.
  private static func bytes(_ path: String, most: Int) -> [UInt8]? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? file.close() }
    do {
      return Array(try file.read(upToCount: most + 1) ?? Data())
    } catch {
      return nil
    }
  }

  // MARK: - Outcomes

  package func outcome(of member: Member) -> MemberOutcome? {
    Self.bytes(outcomePath(of: member), most: MemberOutcome.greatestSize).flatMap { MemberOutcome($0) }
  }

  /// The same; where there is one that is not whole, as the end of a machine can leave it, it is removed: the member is
  /// open then, and goes on from its newest checkpoint. One that a later Lockstep has written is refused.
  package func takeUpOutcome(of member: Member) throws -> (outcome: MemberOutcome?, wasDamaged: Bool) {
    let path = outcomePath(of: member)
    if let outcome = outcome(of: member) { return (outcome, false) }
    guard access(path, F_OK) == 0 else { return (nil, false) }
    guard let bytes = Self.bytes(path, most: MemberOutcome.greatestSize) else {
      throw TrainingError(
        at: path, expected: "what became of a member", found: "a file that cannot be read",
        remedy: "Make it readable, or remove it: the member then goes on from its newest checkpoint.")
    }
    if let format = MemberOutcome.format(of: bytes), format != MemberOutcome.format {
      throw TrainingError(
        at: path, expected: "what became of a member, in format \(MemberOutcome.format)",
        found: "format \(format)",
        remedy: "Go on with the Lockstep that has written it, or a later one.")
    }
    try FileManager.default.removeItem(atPath: path)
    return (nil, true)
  }

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
    if access(releasePath(of: member), F_OK) == 0 { return false }
    return try create("\(claimsPath)/\(member.name)", saying: holder)
  }

  /// Whether somebody has a member in this start, or has had it.
  func isClaimed(_ member: Member) -> Bool {
    access("\(claimsPath)/\(member.name)", F_OK) == 0 || access(releasePath(of: member), F_OK) == 0
  }

  /// Makes a file; false where it is there already.
  private func create(_ file: String, saying words: String = "") throws(TrainingError) -> Bool {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      if errno == EEXIST { return false }
      throw TrainingError(
        at: file, expected: "to note what a group of ranks does", found: String(cString: strerror(errno)),
        remedy: "See that the folder can be written, on every machine, then go on with --resume.")
    }
    // For people only: what counts is that the file is there.
    let text = Array("\(words)\n".utf8)
    _ = write(descriptor, text, text.count)
    close(descriptor)
    return true
  }

  /// Takes a claim back: its member is saved, nobody is to think that it was interrupted, and nobody is to take it in
  /// this start.
  package func release(_ member: Member) throws(TrainingError) {
    _ = try create(releasePath(of: member))
    unlink("\(claimsPath)/\(member.name)")
  }

  private func releasePath(of member: Member) -> String { "\(claimsPath)/\(member.name)-saved-\(start)" }

  /// Asks all groups to save and end.
  package func requestStop() { _ = FileManager.default.createFile(atPath: stopPath, contents: nil) }

  package var isStopRequested: Bool { access(stopPath, F_OK) == 0 }

  /// Notes that a group of ranks, known by the first of them, has nothing left to do in this start.
  package func noteEnd(ofGroup group: Int) throws(TrainingError) { _ = try create(endPath(ofGroup: group)) }

  func hasEnded(group: Int) -> Bool { access(endPath(ofGroup: group), F_OK) == 0 }

  private func endPath(ofGroup group: Int) -> String { "\(claimsPath)/group-\(group)-\(start)" }

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
    if !forgets, let bytes = Self.bytes(interruptionsPath, most: 1 << 20),
      JSONBounds.excess(in: bytes, values: 100_000, depth: 4) == nil
    {
      counts = (try? JSONDecoder().decode([Int: Interruption].self, from: Data(bytes))) ?? [:]
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
