import Foundation
import MessagePassing

/// Times the calls that a training step is made of, and writes the medians: time from a barrier to the end
/// of the slowest rank's call.
func benchmark(_ world: any Communicator) throws {
  // Ranks that were begun on one core take a while to part.
  let start = DispatchTime.now().uptimeNanoseconds
  var elapsed = [Int64(0)]
  while elapsed[0] < 500_000_000 {
    elapsed[0] = Int64(DispatchTime.now().uptimeNanoseconds - start)
    try elapsed.withUnsafeMutableBufferPointer { try world.allreduce($0, .minimum) }
  }
  try time("barrier", repeats: 500, world) { try world.barrier() }
  for count in [1, 1000, 100_000, 2_000_000] {
    let repeats = count > 1_000_000 ? 50 : 300
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    let incoming = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    memory.initialize(repeating: 0)
    incoming.initialize(repeating: 0)
    defer {
      memory.deallocate()
      incoming.deallocate()
    }
    let size = world.size
    let slices = (0..<size).map { count * $0 / size..<count * ($0 + 1) / size }
    let others = (0..<size).filter { $0 != world.rank }
    let sends = others.map { Message(peer: $0, memory: .init(rebasing: memory[slices[$0]])) }
    let mine = slices[world.rank]
    let receives = others.indices.map { index in
      let start = index * mine.count
      return Message(peer: others[index], memory: .init(rebasing: incoming[start..<start + mine.count]))
    }
    let bytes = "\(count * 4) B"
    try time("allreduce \(bytes)", repeats: repeats, world) { try world.allreduce(memory, .sum) }
    try time("startAllreduce and finish \(bytes)", repeats: repeats, world) {
      try world.startAllreduce(memory)
      try world.finishAllreduces()
    }
    try sends.withUnsafeBufferPointer { sends in
      try receives.withUnsafeBufferPointer { receives in
        try time("exchange \(bytes)", repeats: repeats, world) {
          try world.exchange(sends: sends, receives: receives)
        }
        try time("exchange and allgather \(bytes)", repeats: repeats, world) {
          try world.exchange(sends: sends, receives: receives)
          try world.allgather(memory, slices: slices)
        }
      }
    }
    try time("allgather \(bytes)", repeats: repeats, world) { try world.allgather(memory, slices: slices) }
  }
}

func time(
  _ name: String, repeats: Int, _ world: any Communicator, _ call: () throws -> Void
) throws {
  var seconds = [Double](repeating: 0, count: repeats)
  for repetition in 0..<repeats {
    try world.barrier()
    let start = DispatchTime.now().uptimeNanoseconds
    try call()
    seconds[repetition] = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
  }
  try seconds.withUnsafeMutableBufferPointer { try world.allreduce($0, .maximum) }
  seconds.sort()
  if world.rank == 0 {
    let microseconds = [seconds[repeats / 2], seconds[repeats * 9 / 10], seconds[0]].map { $0 * 1e6 }
    print(name, microseconds.map { String(format: "%.1f", $0) }.joined(separator: " / "))
  }
}
