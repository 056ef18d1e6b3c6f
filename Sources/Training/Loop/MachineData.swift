import CProcesses
import Datasets
import MessagePassing

/// Data that one rank of each machine reads, and that all of its ranks have: in memory that they share, so that what data
/// take grows with the machines and not with the ranks.
///
///     let images = try readOncePerMachine(in: world) { try IDXImages.load(at: folder, split: .train) }
///
/// All ranks call it. Those that read nothing wait. What goes wrong on one rank, all throw. Where there is too little
/// shared memory, each rank reads for itself. The data stay as long as any rank uses them or the world exists.
///
/// - Parameter read: reads or makes the data; what it gives depends on nothing but files and numbers that all ranks
///   have alike.
public func readOncePerMachine<Samples: ShareableData>(
  in world: World, _ read: () throws -> Samples
) throws -> Samples {
  try readOncePerMachine(world.communicator, read).data
}

/// The same, and why each rank has data of its own; nil where it shares them, is not to, or has nobody to share with.
func readOncePerMachine<Samples: ShareableData>(
  _ communicator: any Communicator, shares: Bool = true, _ read: () throws -> Samples
) throws -> (data: Samples, note: String?) {
  guard shares, communicator.machines.contains(where: { $0.count > 1 }) else {
    let data = try together(communicator, read)
    lockstep_give_memory_back()
    return (data, nil)
  }
  let ranks = communicator.machine.ranks
  let isReader = ranks.first == communicator.rank
  // Where the others wait: they sleep there, while waiting for a message would keep a core busy that the reader can use.
  var gate: SharedWindow?
  if case .window(let made) = try communicator.makeSharedWindow(bytes: 0) { gate = made }
  var own = try together(communicator, summarizedFor: communicator.machines.count) { () throws -> Samples? in
    let outcome = Result { try isReader ? read() : nil }
    try gate?.meet()
    return try outcome.get()
  }
  gate = nil
  var archive = DataArchive()
  if ranks.count > 1 { own?.add(to: &archive) }
  let window: SharedWindow
  switch try communicator.makeSharedWindow(bytes: ranks.count > 1 && isReader ? archive.byteCount : 0) {
  case .window(let made): window = made
  case .refused(let reason):
    return (try together(communicator) { try own ?? read() }, reason)
  }
  if isReader, ranks.count > 1 {
    // Nothing is left of what was read but the archive, which lets go of it part by part.
    own = nil
    archive.move(to: window.parts[0])
  }
  // What the reading took is kept for later allocations otherwise: 13 MiB behind MNIST.
  lockstep_give_memory_back()
  try window.meet()
  return try together(communicator) { () throws -> (Samples, String?) in
    if let own { return (own, nil) }
    var reader = try DataArchive.Reader(at: window.parts[0], keptBy: window)
    return (try Samples(from: &reader), nil)
  }
}
