import Glibc

/// How far the two sides of a stream are: one thread lets pieces arrive in a ring of places, another uses them, each
/// waiting for the other where it must. Allocates nothing after `init`.
final class PieceGate: @unchecked Sendable {
  private let places: Int
  // What follows is guarded by `lock`.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var arrived = 0
  private var used = 0
  private var isAbandoned = false

  /// - Parameter places: pieces that have room at a time.
  init(places: Int) {
    self.places = places
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
    changed = .allocate(capacity: 1)
    changed.initialize(to: pthread_cond_t())
    pthread_cond_init(changed, nil)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  /// Begins anew; nobody may be waiting.
  func reset() { guarded { (arrived, used, isAbandoned) = (0, 0, false) } }

  /// Returns when the places of the first `count` pieces of the stream are free, or nobody will use them.
  func waitForRoom(upTo count: Int) {
    guarded { while count - used > places, !isAbandoned { pthread_cond_wait(changed, lock) } }
  }

  /// The first `count` pieces are there.
  func arrive(upTo count: Int) {
    guarded {
      arrived = count
      pthread_cond_broadcast(changed)
    }
  }

  /// Returns when the first `count` pieces are there; false if they will not come.
  func waitForPieces(upTo count: Int) -> Bool {
    guarded {
      while arrived < count, !isAbandoned { pthread_cond_wait(changed, lock) }
      return !isAbandoned
    }
  }

  /// The places of the first `count` pieces are free again.
  func use(upTo count: Int) {
    guarded {
      used = count
      pthread_cond_broadcast(changed)
    }
  }

  /// One of the two sides gives up: from now on nobody waits.
  func abandon() {
    guarded {
      isAbandoned = true
      pthread_cond_broadcast(changed)
    }
  }

  private func guarded<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }
}
