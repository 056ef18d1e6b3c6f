import Synchronization

/// Looks, at most four times a second, whether some group has asked all to stop.
final class StopFile: Sendable {
  private let folder: MemberFolder
  private let lookedAt = Atomic<UInt64>(0)
  private let isThere = Atomic<Bool>(false)

  init(in folder: MemberFolder) { self.folder = folder }

  /// Looks at once, for what is done seldom.
  var isRequestedNow: Bool {
    lookedAt.store(0, ordering: .relaxed)
    return isRequested
  }

  var isRequested: Bool {
    if isThere.load(ordering: .relaxed) { return true }
    let now = MonotonicTime.nanoseconds
    guard now &- lookedAt.load(ordering: .relaxed) > 250_000_000 else { return false }
    lookedAt.store(now, ordering: .relaxed)
    if folder.isStopRequested { isThere.store(true, ordering: .relaxed) }
    return isThere.load(ordering: .relaxed)
  }
}
