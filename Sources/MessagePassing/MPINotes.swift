internal import COpenMPI
import Foundation

/// Notes that a communicator has sent and MPI may still be working on: one for each rank, in memory of its own.
struct NoteBuffer: ~Copyable {
  private struct Slot {
    var request: MPI_Request?
    var memory: UnsafeMutableRawBufferPointer
  }

  private var slots: [Int: Slot] = [:]

  deinit { for slot in slots.values { slot.memory.deallocate() } }

  /// Where a note to a rank is to lie, and its request, if the one before is gone.
  mutating func send(
    _ note: UnsafeRawBufferPointer, to rank: Int,
    by send: (UnsafeMutableRawBufferPointer, UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) {
    if slots[rank]?.memory.count != note.count {
      guard slots[rank] == nil else { return }
      slots[rank] = Slot(
        request: lockstep_mpi_request_null(),
        memory: .allocate(byteCount: note.count, alignment: MemoryLayout<Int>.alignment))
    }
    guard var slot = slots[rank] else { return }
    var done: Int32 = 0
    MPI_Test(&slot.request, &done, lockstep_mpi_status_ignore())
    if done != 0 {
      slot.memory.copyMemory(from: note)
      if send(slot.memory, &slot.request) != MPI_SUCCESS { slot.request = lockstep_mpi_request_null() }
    }
    slots[rank] = slot
  }

  /// What has not arrived by the end need not.
  mutating func abandon() {
    for rank in slots.keys.sorted() {
      guard var request = slots[rank]?.request, request != lockstep_mpi_request_null() else { continue }
      var done: Int32 = 0
      var open: MPI_Request? = request
      MPI_Test(&open, &done, lockstep_mpi_status_ignore())
      if done == 0 { MPI_Request_free(&open) }
      if let open { request = open }
    }
  }
}

// Failures are not looked at: a note that is lost is followed by another.
extension MPICommunicator: NotePassing {
  /// Beside the tags of `exchange` and `startExchange`.
  private static let noteTag: Int32 = 2

  package func sendNote(_ note: UnsafeRawBufferPointer, to rank: Int) {
    let world = world
    notes.send(note, to: rank) { memory, request in
      MPI_Isend(
        memory.baseAddress, Int32(memory.count), lockstep_mpi_byte(), Int32(rank), Self.noteTag, world,
        request)
    }
  }

  package func takeNote(into memory: UnsafeMutableRawBufferPointer) -> (sender: Int, count: Int)? {
    var flag: Int32 = 0
    var status = MPI_Status()
    MPI_Iprobe(lockstep_mpi_any_source(), Self.noteTag, world, &flag, &status)
    guard flag != 0 else { return nil }
    var count: Int32 = 0
    MPI_Get_count(&status, lockstep_mpi_byte(), &count)
    guard Int(count) <= memory.count else { return nil }
    let sender = status.MPI_SOURCE
    MPI_Recv(
      memory.baseAddress, count, lockstep_mpi_byte(), sender, Self.noteTag, world,
      lockstep_mpi_status_ignore())
    return (Int(sender), Int(count))
  }
}
