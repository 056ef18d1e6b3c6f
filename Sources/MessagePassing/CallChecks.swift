// What a call must satisfy whatever the other ranks do: mistakes of the program, so preconditions.

/// The slices of an allgather: one a rank, one behind the other, inside the memory.
@inline(__always)
func checkSlices(_ slices: [Range<Int>], count: Int, size: Int) {
  precondition(slices.count == size, "an allgather over \(size) ranks has \(slices.count) slices")
  var end = 0
  for (index, slice) in slices.enumerated() {
    precondition(
      slice.lowerBound == end || (index == 0 && slice.lowerBound > 0),
      "slice \(index) begins at \(slice.lowerBound), the one before it ends at \(end)")
    end = slice.upperBound
  }
  precondition(end <= count, "the slices end at \(end), the memory at \(count)")
}

/// The peers of an exchange: ranks, but not this one.
@inline(__always)
func checkPeers(_ messages: UnsafeBufferPointer<Message>, rank: Int, size: Int) {
  for message in messages {
    precondition(
      message.peer >= 0 && message.peer < size && message.peer != rank,
      "rank \(rank) of \(size) exchanges a message with \(message.peer)")
  }
}

@inline(__always)
func checkRoot(_ root: Int, size: Int) {
  precondition(root >= 0 && root < size, "broadcast from rank \(root) of \(size)")
}

/// What names a part of the ranks, for MPI too.
@inline(__always)
func checkColor(_ color: Int) {
  precondition(color >= 0 && color <= Int(Int32.max), "ranks are split by a color of \(color)")
}
