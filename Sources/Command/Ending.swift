import Failpoints
import Foundation
import Lockstep

/// How a process ends, and the exit codes.
enum Ending {
  static let done: Int32 = 0
  static let failed: Int32 = 1
  /// Wrong usage, configuration or data: nothing was begun.
  static let wrongUsage: Int32 = 2
  /// Stopped by a signal, saved, to be resumed: EX_TEMPFAIL.
  static let stopped: Int32 = 75

  /// Does something on all ranks and ends the process.
  ///
  /// What all ranks throw alike is told once, by rank 0, and its exit code is the job's. What one rank
  /// throws by itself ends all of them through an abort.
  static func distributed(_ body: (World) throws -> Int32) -> Never {
    let world: World
    do {
      world = try World.join()
    } catch {
      tell(error)
      exit(wrongUsage)
    }
    var code: Int32
    do {
      code = try body(world)
    } catch let error as Agreed {
      if world.rank == 0 { tell(error.error) }
      code = error.code
    } catch {
      if world.size == 1 {
        tell(error)
        exit(failed)
      }
      world.communicator.abort("\(error)", exitCode: failed)
    }
    // A rank that ends with another code would have the launcher kill the others.
    let ownCode = { world.rank == 0 ? code : done }
    fflush(nil)
    StopSignal.settle(exitCode: ownCode())
    Failpoint.leave.reach()
    do {
      try world.leave()
    } catch {
      tell(error)
      code = failed
    }
    exit(ownCode())
  }

  /// Does something on one process, and ends it.
  static func alone(_ body: () throws -> Int32) -> Never {
    do {
      exit(try body())
    } catch {
      tell(error)
      exit(wrongUsage)
    }
  }

  static func tell(_ error: any Error) {
    fflush(nil)
    FileHandle.standardError.write(Data("lockstep: \(error)\n".utf8))
  }

  /// An error that all ranks throw alike.
  struct Agreed: Error {
    let error: any Error
    let code: Int32
  }

  /// Marks the errors that all ranks throw alike with the exit code that they mean.
  static func agreed<Result>(_ code: Int32, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as AgreedFailure {
      throw Agreed(error: error, code: code)
    } catch let error as TrainingError {
      throw Agreed(error: error, code: code)
    } catch let error as AveragingError {
      throw Agreed(error: error, code: code)
    }
  }
}
