import Checkpoints

/// How far a job has come, as its folder tells: what the next start goes on with.
package struct JobProgress: Sendable, Equatable {
  /// Grows with whatever is saved; nil where nothing is.
  package let count: Int?
  /// `goes on from step 20`
  let resumption: String
  /// `the checkpoint of step 20 stands`
  let standing: String
  /// What it goes on with: `train`.
  let command: String
  /// Whether another start would have nothing to do.
  var isSettled = false

  /// Of a run.
  package static func ofRun(_ folder: String) -> JobProgress {
    ofRun(newestStep: (try? CheckpointStore(reading: folder + "/checkpoints").list())?.last)
  }

  package static func ofRun(newestStep: Int?) -> JobProgress {
    JobProgress(
      count: newestStep,
      resumption: newestStep.map { "goes on from step \($0)" } ?? "begins again, there being no checkpoint,",
      standing: newestStep.map { "the checkpoint of step \($0) stands" } ?? "there is no checkpoint yet",
      command: "train")
  }

  /// Of several trainings in one folder.
  ///
  /// - Parameter command: `sweep`.
  package static func ofMembers(_ path: String, command: String) -> JobProgress {
    let folder = MemberFolder(path: path)
    guard let plan = try? folder.plan() else {
      return JobProgress(
        count: nil, resumption: "begins again, nothing being settled,", standing: "nothing is settled yet",
        command: command)
    }
    var (settled, steps) = (0, 0)
    for member in plan.members {
      if folder.outcome(of: member) != nil { settled += 1 }
      steps += folder.newestStep(of: member) ?? 0
    }
    let state = "\(settled) of \(plan.members.count) members settled"
    return JobProgress(
      count: settled + steps, resumption: "goes on, \(state),", standing: state, command: command,
      isSettled: settled == plan.members.count)
  }
}
