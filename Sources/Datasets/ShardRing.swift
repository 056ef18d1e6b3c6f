import Foundation
import TensorCore

/// Memory for a few shards, passed round between the thread that fills them and the one that uses them.
///
/// Slots are filled and used in the same order. The filling thread that found all slots taken sleeps until
/// half of them are free, so that threads change places seldom; the using thread is woken by the first
/// slot. All memory is allocated once.
final class ShardRing: @unchecked Sendable {
  /// What lies in a slot.
  struct Contents {
    var step = 0
    var epoch = 0
    var batchCount = 0
    var shard = 0
    var count = 0
  }

  /// A slot's memory: room for `capacity` samples.
  struct Slot {
    let contents: UnsafeMutablePointer<Contents>
    let samples: UnsafeMutablePointer<Int>
    let inputs: UnsafeMutablePointer<Float>
    let targets: TargetMemory
  }

  let depth: Int
  /// Bytes of all slots together.
  let byteCount: Int

  private static let alignment = 64

  private let memory: UnsafeMutableRawPointer
  private let layout: Layout
  private let target: Target
  private let isWeighted: Bool

  // What follows is guarded by `lock`.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let slotWasFilled: UnsafeMutablePointer<pthread_cond_t>
  private let slotsWereFreed: UnsafeMutablePointer<pthread_cond_t>
  private var filled = 0
  private var isFillerAsleep = false
  private var isUserAsleep = false
  private var isFinished = false
  private var isStopped = false

  // Each of these belongs to one thread.
  private var nextToFill = 0
  private var nextToUse = 0

  /// Where the parts of a slot lie, in bytes from its start.
  struct Layout {
    let samples: Int
    let inputs: Int
    let labels: Int
    let values: Int
    let weights: Int
    let byteCount: Int

    init(capacity: Int, inputSize: Int, target: Target, isWeighted: Bool) {
      func rounded(_ bytes: Int) -> Int { (bytes + ShardRing.alignment - 1) & ~(ShardRing.alignment - 1) }
      samples = rounded(MemoryLayout<Contents>.size)
      inputs = samples + rounded(8 * capacity)
      labels = inputs + rounded(4 * capacity * inputSize)
      values = labels + rounded(4 * capacity * target.labelsPerSample)
      weights = values + rounded(4 * capacity * target.valuesPerSample)
      byteCount = weights + rounded(isWeighted ? 4 * capacity : 0)
    }
  }

  init(depth: Int, capacity: Int, inputSize: Int, target: Target, isWeighted: Bool) {
    self.depth = depth
    self.target = target
    self.isWeighted = isWeighted
    layout = Layout(capacity: capacity, inputSize: inputSize, target: target, isWeighted: isWeighted)
    byteCount = depth * layout.byteCount
    memory = .allocate(byteCount: byteCount, alignment: Self.alignment)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    for slot in 0..<depth {
      let start = memory + slot * layout.byteCount
      start.initializeMemory(as: Contents.self, to: Contents())
      (start + layout.samples).bindMemory(to: Int.self, capacity: capacity)
      (start + layout.inputs).bindMemory(to: Float.self, capacity: capacity * inputSize)
      (start + layout.labels).bindMemory(to: Int32.self, capacity: capacity * target.labelsPerSample)
      (start + layout.values).bindMemory(to: Float.self, capacity: capacity * target.valuesPerSample)
      if isWeighted { (start + layout.weights).bindMemory(to: Float.self, capacity: capacity) }
    }
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
    slotWasFilled = .allocate(capacity: 1)
    slotWasFilled.initialize(to: pthread_cond_t())
    pthread_cond_init(slotWasFilled, nil)
    slotsWereFreed = .allocate(capacity: 1)
    slotsWereFreed.initialize(to: pthread_cond_t())
    pthread_cond_init(slotsWereFreed, nil)
  }

  deinit {
    pthread_cond_destroy(slotsWereFreed)
    pthread_cond_destroy(slotWasFilled)
    pthread_mutex_destroy(lock)
    slotsWereFreed.deallocate()
    slotWasFilled.deallocate()
    lock.deallocate()
    memory.deallocate()
  }

  private func slot(_ index: Int) -> Slot {
    let start = memory + index * layout.byteCount
    return Slot(
      contents: start.assumingMemoryBound(to: Contents.self),
      samples: (start + layout.samples).assumingMemoryBound(to: Int.self),
      inputs: (start + layout.inputs).assumingMemoryBound(to: Float.self),
      targets: TargetMemory(
        labels: target.labelsPerSample > 0
          ? (start + layout.labels).assumingMemoryBound(to: Int32.self) : nil,
        values: target.valuesPerSample > 0
          ? (start + layout.values).assumingMemoryBound(to: Float.self) : nil,
        weights: isWeighted ? (start + layout.weights).assumingMemoryBound(to: Float.self) : nil))
  }

  // MARK: - The filling thread

  /// A free slot, waited for; nil once the ring is stopped.
  func slotToFill() -> Slot? {
    pthread_mutex_lock(lock)
    if filled == depth {
      isFillerAsleep = true
      while filled > depth / 2, !isStopped { pthread_cond_wait(slotsWereFreed, lock) }
      isFillerAsleep = false
    }
    let mayGoOn = !isStopped
    pthread_mutex_unlock(lock)
    return mayGoOn ? slot(nextToFill) : nil
  }

  /// Passes the slot on that `slotToFill` gave.
  func publish() {
    nextToFill = nextToFill + 1 == depth ? 0 : nextToFill + 1
    pthread_mutex_lock(lock)
    filled += 1
    if isUserAsleep { pthread_cond_signal(slotWasFilled) }
    pthread_mutex_unlock(lock)
  }

  /// Says that no slot will follow.
  func finish() {
    pthread_mutex_lock(lock)
    isFinished = true
    pthread_cond_signal(slotWasFilled)
    pthread_mutex_unlock(lock)
  }

  // MARK: - The using thread

  /// The next filled slot, waited for, and the seconds that took; nil after the last one and once stopped.
  func slotToUse() -> (slot: Slot?, waited: Double) {
    var waited = 0.0
    pthread_mutex_lock(lock)
    if filled == 0, !isFinished, !isStopped {
      let start = Self.now()
      isUserAsleep = true
      while filled == 0, !isFinished, !isStopped { pthread_cond_wait(slotWasFilled, lock) }
      isUserAsleep = false
      waited = Self.now() - start
    }
    let exists = filled > 0 && !isStopped
    pthread_mutex_unlock(lock)
    return (exists ? slot(nextToUse) : nil, waited)
  }

  /// Gives the slot back that `slotToUse` gave.
  func free() {
    nextToUse = nextToUse + 1 == depth ? 0 : nextToUse + 1
    pthread_mutex_lock(lock)
    filled -= 1
    if isFillerAsleep, filled <= depth / 2 { pthread_cond_signal(slotsWereFreed) }
    pthread_mutex_unlock(lock)
  }

  /// Wakes both threads for good.
  func stop() {
    pthread_mutex_lock(lock)
    isStopped = true
    pthread_cond_broadcast(slotsWereFreed)
    pthread_cond_broadcast(slotWasFilled)
    pthread_mutex_unlock(lock)
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
