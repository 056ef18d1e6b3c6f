import Averaging
import Foundation
import MessagePassing
import Optimizers
import TensorCore

/// Times optimizer steps without a model: what summing, updating and sharing cost. Microseconds, median,
/// ninth decile and minimum of the slowest rank.
func benchmarkSteps(_ world: any Communicator) throws {
  let models: [(name: String, widths: [Int])] = [
    ("101,770 parameters", [784, 128, 10]), ("1.86 M parameters", [784, 1024, 1024, 10]),
  ]
  for (name, widths) in models {
    let layout = VectorLayout(
      (1..<widths.count).reversed().flatMap { layer -> [(name: String, shape: Shape)] in
        [
          ("\(layer).bias", [widths[layer]]), ("\(layer).weight", Shape([widths[layer], widths[layer - 1]])),
        ]
      })
    for count in [2, 8] where count >= world.size {
      let shards = Shards(count)
      let batch = 32 * count
      let sums: [(String, () throws -> any GradientSum)] = [
        (
          "shared",
          { try OwnerSum(world, layout: layout, shards: shards, batchSizes: [batch], sharing: true) }
        ),
        (
          "ordered",
          { try OwnerSum(world, layout: layout, shards: shards, batchSizes: [batch], sharing: false) }
        ),
        (
          "allreduce",
          {
            AllreduceSum(world, layout: layout, shards: shards, batchSizes: [batch], bucketBytes: 1 << 20)
          }
        ),
      ]
      for optimizer in [Optimizer.sgd(learningRate: 0.1, momentum: 0.9), .adam(learningRate: 0.001)] {
        for (strategy, make) in sums {
          let step = SynchronizedStep(
            world, layout: layout, optimizer: optimizer, sum: try make())
          let rule = optimizer.rule.stateNames.count == 1 ? "SGD" : "Adam"
          let what = "\(name), \(count) shards, \(rule), \(strategy)"
          try time(what, repeats: layout.count > 1_000_000 ? 60 : 400, world) {
            _ = try step.run(step: 0, batch: batch, stopRequested: false, phase: { _ in }) {
              _, gradients, observer in
              let riders = gradients + layout.riders.lowerBound
              riders.update(repeating: 0, count: Rider.room)
              riders[Rider.samples.rawValue] = Float(batch / count)
              for entry in layout.entries { try observer?.isComplete(prefix: entry.offset) }
              try observer?.isComplete(prefix: layout.count)
            }
          }
        }
      }
    }
  }
}
