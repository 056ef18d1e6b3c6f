// One rank of what the tests run under mpirun:
//
//     distributed-runner all | SCENARIO… | in-parts | benchmark | benchmark-steps | FAILURE RANK
//
// Rank 0 writes a line for each scenario that has passed; with in-parts, those that the even ranks have gone through
// among themselves while the odd ones did. A failure ends all ranks with exit code 1.

import DistributedScenarios
import Foundation
import MessagePassing

func runScenarios(_ names: [String], _ communicator: any Communicator, in world: World) throws {
  var scenarios = allScenarios.filter { $0.ranks.contains(communicator.size) }
  if names != ["all"] {
    scenarios = try names.map { name in
      guard let scenario = scenarios.first(where: { $0.name == name }) else {
        throw CheckFailure("no scenario \"\(name)\" for \(communicator.size) ranks")
      }
      return scenario
    }
  }
  for scenario in scenarios {
    do {
      try scenario.body(communicator)
    } catch {
      throw CheckFailure("\(scenario.name): \(error)")
    }
    try communicator.barrier()
    if world.rank == 0 { print("passed: \(scenario.name)") }
  }
}

do {
  let world = try World.join()
  var arguments = Array(CommandLine.arguments.dropFirst())
  do {
    switch arguments.first {
    case nil:
      throw CheckFailure(
        "usage: distributed-runner all | SCENARIO… | in-parts | benchmark | benchmark-steps | FAILURE RANK")
    case "in-parts": try runScenarios(["all"], world.communicator.split(color: world.rank % 2), in: world)
    case "benchmark": try benchmark(world.communicator)
    case "benchmark-steps": try benchmarkSteps(world.communicator)
    case "describe":
      print("rank \(world.rank) of \(world.size), \(world.isDistributed ? "over MPI" : "alone")")
    case let name? where Failures.all[name] != nil:
      arguments.removeFirst()
      try Failures.all[name]?(world.communicator, arguments.first.flatMap { Int($0) } ?? 0)
    default: try runScenarios(arguments, world.communicator, in: world)
    }
  } catch {
    world.communicator.abort("\(error)", exitCode: 1)
  }
  try world.leave()
} catch {
  FileHandle.standardError.write(Data("distributed-runner: \(error)\n".utf8))
  exit(2)
}
