import CProcesses
import Checkpoints
import Datasets
import Failpoints
import MessagePassing

/// Data that one rank of each machine reads, and that all of its ranks have: in memory that they share, so that what data
/// take grows with the machines and not with the ranks.
///
///     let images = try readOncePerMachine(in: world) { try IDXImages.load(at: folder, split: .train) }
///
/// All ranks call it. Those that read nothing wait. What goes wrong on one rank, all throw. Where processes cannot have
/// memory in common, each rank reads for itself. The data stay as long as any rank uses them.
///
/// - Parameter read: reads or makes the data; what it gives depends on nothing but files and numbers that all ranks
///   have alike.
public func readOncePerMachine<Samples: ShareableData>(
  in world: World, _ read: () throws -> Samples
) throws -> Samples {
  try readOncePerMachine(world.communicator, read).data
}

/// The same, and why each rank has data of its own; nil where it shares them, is not to, or has nobody to share with.
///
/// - Parameter place: a shelf with what other parts of the world have read, and what these data are known by there.
package func readOncePerMachine<Samples: ShareableData>(
  _ communicator: any Communicator, shares: Bool = true, on place: (shelf: DataShelf, key: Digest128)? = nil,
  _ read: () throws -> Samples
) throws -> (data: Samples, note: String?) {
  guard shares, place != nil || communicator.machines.contains(where: { $0.count > 1 }) else {
    let data = try together(communicator, read)
    lockstep_give_memory_back()
    return (data, nil)
  }
  let ranks = communicator.ranksOfMachine
  let isReader = ranks.lowerBound == communicator.rank
  // Where the others wait: they sleep there, while waiting for a message would keep a core busy that the reader can use.
  var gate: SharedWindow?
  if case .window(let made) = try communicator.makeSharedWindow(bytes: 0) { gate = made }
  let own = try together(communicator, summarizedFor: communicator.machines.count) {
    () throws -> ReadData<Samples>? in
    let outcome = Result {
      isReader ? try ReadData(sharing: place != nil || ranks.count > 1, on: place, read) : nil
    }
    try gate?.meet()
    return try outcome.get()
  }
  // What the reading took is kept for later allocations otherwise: 13 MiB behind MNIST.
  lockstep_give_memory_back()
  let (given, note) = try MemoryFile.give(to: ranks, over: communicator) { () throws(MessagePassingError) in
    try own?.file()
  }
  return try together(communicator) { () throws -> (Samples, String?) in
    (try own?.samples ?? given.map(ReadData.samples(in:)) ?? read(), note)
  }
}

/// What the first rank of a machine has read.
private enum ReadData<Samples: ShareableData> {
  case shared(MemoryFile)
  /// There is nobody to share them with.
  case alone(Samples)
  /// There is no memory that several processes can have.
  case apart(Samples, MessagePassingError)

  init(
    sharing: Bool, on place: (shelf: DataShelf, key: Digest128)?, _ read: () throws -> Samples
  ) throws {
    guard sharing else {
      self = .alone(try read())
      return
    }
    var samples: Samples?
    func fill() throws -> MemoryFile {
      let data = try read()
      var archive = DataArchive()
      data.add(to: &archive)
      samples = data
      if Failpoint.dataShare.reach() == .error {
        throw MessagePassingError(
          at: "memory for data", expected: "to have it", found: "a failpoint", remedy: "Take it out.")
      }
      let file = try MemoryFile(byteCount: archive.byteCount)
      // Nothing is left of what was read but the archive, which lets go of it part by part.
      samples = nil
      archive.move(to: file.memory)
      return file
    }
    do {
      self = .shared(try place.map { try $0.shelf.take($0.key, make: fill) } ?? fill())
    } catch let error as MessagePassingError {
      guard let samples else { throw error }
      self = .apart(samples, error)
    }
  }

  /// For the others of the machine.
  func file() throws(MessagePassingError) -> MemoryFile? {
    switch self {
    case .shared(let file): return file
    case .alone: return nil
    case .apart(_, let error): throw error
    }
  }

  var samples: Samples {
    get throws {
      switch self {
      case .shared(let file): try Self.samples(in: file)
      case .alone(let samples), .apart(let samples, _): samples
      }
    }
  }
  /// Data that lie in memory that several processes have.
  static func samples(in file: MemoryFile) throws(DatasetError) -> Samples {
    var reader = try DataArchive.Reader(at: file.memory, keptBy: file)
    return try Samples(from: &reader)
  }
}
