import Foundation
import MessagePassing

// Every rank brings values that no other rank brings, and all of them are small whole numbers, so that
// sums are exact in any order and closed forms are met to the bit.

/// What rank `rank` brings as element `index`.
private func value(_ rank: Int, _ index: Int) -> Int { (rank + 1) * (index % 13 + 1) }

/// The sum of what `size` ranks bring.
private func sum(_ size: Int, _ index: Int) -> Int { size * (size + 1) / 2 * (index % 13 + 1) }

/// Lengths around what implementations treat differently: one value, a few, 4096 bytes and one more, and
/// some that no number of ranks divides.
private let lengths = [0, 1, 7, 1024, 1025, 100_003]

/// Slices of 0..<total in which rank r has r shares, so that rank 0 has none.
private func unevenSlices(_ total: Int, _ size: Int) -> [Range<Int>] {
  let shares = max(size * (size - 1) / 2, 1)
  var end = 0
  return (0..<size).map { rank in
    let start = end
    end = rank == size - 1 ? total : start + total * rank / shares
    return start..<end
  }
}

extension Scenario {
  static let collectives: [Scenario] = [
    Scenario("a barrier holds everyone until the last has come") { world in
      for late in 0..<world.size {
        if world.rank == late { usleep(20_000) }
        var lastArrival = [Int64(DispatchTime.now().uptimeNanoseconds)]
        try world.barrier()
        let left = Int64(DispatchTime.now().uptimeNanoseconds)
        try lastArrival.withUnsafeMutableBufferPointer { try world.allreduce($0, .maximum) }
        try check(left >= lastArrival[0], "rank \(late) was late, and the barrier opened before it came")
      }
    },

    Scenario("a broadcast gives everyone the root's bytes, whoever is the root") { world in
      for count in [0, 1, 5, 4099, 1_000_003] {
        for root in 0..<world.size {
          var bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + world.rank * 31 + 1) }
          try bytes.withUnsafeMutableBytes { try world.broadcast($0, from: root) }
          try check(
            each: bytes, equals: { UInt8(truncatingIfNeeded: $0 * 7 + root * 31 + 1) },
            "\(count) bytes from rank \(root)")
        }
      }
    },

    Scenario("an allreduce sums floats, doubles and integers over all ranks") { world in
      for count in lengths {
        var floats = (0..<count).map { Float(value(world.rank, $0)) }
        try floats.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
        try check(each: floats, equals: { Float(sum(world.size, $0)) }, "sum of \(count) floats")
        // Beyond what a Float holds: a mix-up of types would show.
        let large = 1 << 40
        var doubles = (0..<count).map { Double(large + value(world.rank, $0)) }
        try doubles.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
        try check(
          each: doubles, equals: { Double(world.size * large + sum(world.size, $0)) },
          "sum of \(count) doubles")
        let larger = 1 << 55
        var integers = (0..<count).map { Int64(larger + value(world.rank, $0)) }
        try integers.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
        try check(
          each: integers, equals: { Int64(world.size * larger + sum(world.size, $0)) },
          "sum of \(count) integers")
      }
    },

    Scenario("an allreduce finds the minimum and the maximum over all ranks") { world in
      // The extreme is at another rank in each element.
      func height(_ rank: Int, _ index: Int) -> Int { (rank + index) % world.size - 3 }
      for count in lengths {
        var floats = (0..<count).map { Float(height(world.rank, $0)) }
        try floats.withUnsafeMutableBufferPointer { try world.allreduce($0, .minimum) }
        try check(each: floats, equals: { _ in -3 }, "minimum of \(count) floats")
        var doubles = (0..<count).map { Double(height(world.rank, $0)) }
        try doubles.withUnsafeMutableBufferPointer { try world.allreduce($0, .maximum) }
        try check(each: doubles, equals: { _ in Double(world.size - 4) }, "maximum of \(count) doubles")
        var integers = (0..<count).map { Int64(height(world.rank, $0)) }
        try integers.withUnsafeMutableBufferPointer { try world.allreduce($0, .maximum) }
        try check(each: integers, equals: { _ in Int64(world.size - 4) }, "maximum of \(count) integers")
      }
    },

    Scenario("a float sum has the same bits on all ranks and in repeats") { world in
      for count in [5, 1025, 100_003] {
        var results: [[UInt8]] = []
        for _ in 0..<3 {
          var floats = (0..<count).map { 1 / Float(value(world.rank, $0) + $0) }
          try floats.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
          results += try world.allgather(bytes: floats.withUnsafeBytes { Array($0) })
        }
        for (index, result) in results.enumerated() {
          try check(
            result == results[0], "the sum of \(count) floats differs from the first, in result \(index)")
        }
      }
    },

    Scenario("an allgather brings everyone every slice, uneven and empty ones too") { world in
      for total in [1, 2, 10, 1000, 100_003] {
        let even = (0..<world.size).map { total * $0 / world.size..<total * ($0 + 1) / world.size }
        let onlyLast = (0..<world.size).map { $0 == world.size - 1 ? 0..<total : 0..<0 }
        for slices in [even, onlyLast, unevenSlices(total, world.size)] {
          try checkAllgather(world, Float.self, total, slices) { Float($0) }
          try checkAllgather(world, Double.self, total, slices) { Double($0) }
          try checkAllgather(world, Int64.self, total, slices) { Int64($0) }
        }
      }
    },

    Scenario("an allgather leaves alone what belongs to no slice") { world in
      let slices = unevenSlices(100, world.size).map { $0.lowerBound + 5..<$0.upperBound + 5 }
      var memory = [Float](repeating: -1, count: 110)
      for index in slices[world.rank] { memory[index] = Float(index) }
      try memory.withUnsafeMutableBufferPointer { try world.allgather($0, slices: slices) }
      try check(each: memory, equals: { (5..<105).contains($0) ? Float($0) : -1 }, "gathered memory")
    },

    Scenario("bytes of different lengths are gathered in the order of the ranks") { world in
      func bytes(_ rank: Int, _ round: Int) -> [UInt8] {
        // Nobody has any in round 0; from round 1 on lengths differ and one rank has none.
        let count = round == 0 || rank % 3 == round % 3 ? 0 : (rank + 1) * round * round * 100
        return (0..<count).map { UInt8(truncatingIfNeeded: $0 + rank * 17) }
      }
      for round in 0..<6 {
        let gathered = try world.allgather(bytes: bytes(world.rank, round))
        try check(gathered.count, equals: world.size, "number of gathered arrays")
        for rank in 0..<world.size {
          try check(gathered[rank], equals: bytes(rank, round), "bytes of rank \(rank) in round \(round)")
        }
      }
    },

    Scenario("calls are cut into pieces where a count does not fit") { world in
      let mpi = world as? MPICommunicator
      mpi?.largestCount = 7
      defer { mpi?.largestCount = Int(Int32.max) }
      for count in [1, 6, 7, 8, 14, 50, 2001] {
        var floats = (0..<count).map { Float(value(world.rank, $0)) }
        try floats.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
        try check(each: floats, equals: { Float(sum(world.size, $0)) }, "sum of \(count) floats")
        var doubles = (0..<count).map { Double(value(world.rank, $0)) }
        try doubles.withUnsafeMutableBufferPointer { try world.allreduce($0, .sum) }
        try check(each: doubles, equals: { Double(sum(world.size, $0)) }, "sum of \(count) doubles")
        try floats.withUnsafeMutableBufferPointer { memory in
          for index in memory.indices { memory[index] = Float(value(world.rank, index)) }
          try world.startAllreduce(memory)
          try world.finishAllreduces()
        }
        try check(each: floats, equals: { Float(sum(world.size, $0)) }, "started sum of \(count) floats")
        let root = count % world.size
        var bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 + world.rank) }
        try bytes.withUnsafeMutableBytes { try world.broadcast($0, from: root) }
        try check(each: bytes, equals: { UInt8(truncatingIfNeeded: $0 + root) }, "\(count) bytes")
        try checkAllgather(world, Double.self, count, unevenSlices(count, world.size)) { Double($0) }
        let mine = [UInt8](repeating: UInt8(world.rank), count: count + world.rank)
        for (rank, bytes) in try world.allgather(bytes: mine).enumerated() {
          try check(
            bytes, equals: .init(repeating: UInt8(rank), count: count + rank), "bytes of rank \(rank)")
        }
        try checkRing(world, lengths: [count, 0, count + 1])
      }
    },

    Scenario("every rank knows its machine and who shares it") { world in
      try check((0..<world.size).contains(world.rank), "rank \(world.rank) is not in 0..<\(world.size)")
      let machine = world.machine
      try check(!machine.name.isEmpty, "the machine has no name")
      try check(machine.ranks.contains(world.rank), "\(machine) does not have rank \(world.rank)")
      let all = try world.allgather(bytes: Array("\(machine.name) \(machine.ranks)".utf8))
      for rank in machine.ranks {
        try check(all[rank], equals: all[world.rank], "the machine, as rank \(rank) sees it")
      }
      let ranks = try world.allgather(bytes: [UInt8(world.rank)])
      try check(ranks, equals: (0..<world.size).map { [UInt8($0)] }, "the ranks")
    },
  ]

  private static func checkAllgather<Scalar: MessageScalar>(
    _ world: any Communicator, _ type: Scalar.Type, _ total: Int, _ slices: [Range<Int>],
    _ value: (Int) -> Scalar
  ) throws {
    var memory = [Scalar](repeating: .zero, count: total)
    for index in slices[world.rank] { memory[index] = value(3 * index + 1) }
    try memory.withUnsafeMutableBufferPointer { try world.allgather($0, slices: slices) }
    try check(each: memory, equals: { value(3 * $0 + 1) }, "\(type) memory gathered in the slices \(slices)")
  }
}
