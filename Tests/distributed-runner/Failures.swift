import Averaging
import DistributedScenarios
import Foundation
import MessagePassing
import TensorCore

/// Ways in which one rank can go wrong while the others work on; each is told which rank.
enum Failures {
  static let all: [String: @Sendable (any Communicator, Int) throws -> Void] = [
    "throw": { world, rank in
      try work(world) { step in
        if world.rank == rank && step == 20 { throw CheckFailure("step \(step) cannot be taken") }
      }
    },
    "kill": { world, rank in
      try work(world) { step in if world.rank == rank && step == 20 { kill(getpid(), SIGKILL) } }
    },
    "exit": { world, rank in
      try work(world) { step in if world.rank == rank && step == 20 { exit(0) } }
    },
    // In one part of the ranks, while those of the other work on.
    "throw-in-part": { world, rank in
      let part = try world.split(color: world.rank % 2)
      try work(part) { step in
        if world.rank == rank && step == 20 { part.abort("step \(step) cannot be taken", exitCode: 1) }
      }
    },
    // Between the segments of a pass whose shards meet.
    "throw-in-pass": { world, rank in
      let shards = Shards(2 * world.size)
      let exchange = ShardExchange(world, shards: shards, batchSizes: [64], channels: [16])
      let memory = Arena<Float>(count: 64)
      let form = SynchronizationForm(.sums, channels: 16, valuesPerSample: 1)
      for segment in 0... {
        if world.rank == rank && segment == 20 { throw CheckFailure("segment \(segment) cannot be run") }
        try exchange.exchange(form, batch: 64, phase: { _ in }) { _ in
          (UnsafePointer(memory.base), memory.base + 32)
        }
        usleep(1000)
      }
    },
    // A receive that is shorter, or longer, than what is sent.
    "long-message": { world, rank in try unequalExchange(world, rank, sent: 100, received: 50) },
    "short-message": { world, rank in try unequalExchange(world, rank, sent: 50, received: 100) },
    // All ranks wait for nothing: for tests of the time limit.
    "sleep": { world, _ in
      if world.rank == 0 { print("asleep") }
      fflush(nil)
      sleep(600)
    },
  ]

  /// Steps without an end, all ranks together.
  private static func work(_ world: any Communicator, _ each: (Int) throws -> Void) throws {
    var values = [Float](repeating: 1, count: 5000)
    for step in 0... {
      try each(step)
      for index in values.indices { values[index] = 1 }
      try values.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
      usleep(1000)
    }
  }

  private static func unequalExchange(
    _ world: any Communicator, _ rank: Int, sent: Int, received: Int
  ) throws {
    let sender = (rank + 1) % world.size
    let isSender = world.rank == sender
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: isSender ? sent : received)
    memory.initialize(repeating: 0)
    defer { memory.deallocate() }
    let message = [Message(peer: isSender ? rank : sender, memory: memory)]
    let none: [Message] = []
    try message.withUnsafeBufferPointer { message in
      try none.withUnsafeBufferPointer { none in
        if isSender {
          try world.exchange(sends: message, receives: none)
        } else if world.rank == rank {
          try world.exchange(sends: none, receives: message)
        }
      }
    }
    try world.barrier()
  }
}
