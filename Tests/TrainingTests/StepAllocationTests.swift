// A whole step, from the loader's shard to the new parameters, allocates nothing beyond what the matrix products'
// library allocates inside its calls.

import AllocationCounter
import Autodiff
import Averaging
import Datasets
import Layers
import MessagePassing
import Optimizers
import TensorCore
import Testing

import Training

@Suite(.serialized) struct StepAllocationTests {
  private static let shards = 4
  private static let batch = 64
  private static let steps = 20

  private func makeTrainer(
    _ averaging: AveragingStrategy, _ optimizer: Optimizer,
    _ model: any Layer = MultilayerPerceptron(widths: [32, 24, 10]), wire: WireFormat = .float32
  ) throws -> Trainer {
    var stream = RandomStream(seed: 3, purpose: .test)
    let inputs = (0..<640 * 32).map { _ in stream.normal() }
    let labels = (0..<640).map { _ in Int32(stream.integer(below: 10)) }
    let data = try TensorDataset(inputs: inputs, inputShape: [32], labels: labels, classes: 10)
    return try Trainer(
      model, loss: .crossEntropy, optimizer: optimizer, data: data,
      batch: Self.batch, shards: Self.shards, averaging: averaging, wire: wire,
      in: World(InProcessCommunicator()))
  }

  /// Allocations inside the matrix products of as many steps.
  private func allocationsOfProducts(_ objective: Objective) throws -> Int {
    let plan = try objective.trainingPlan(batch: Self.batch / Self.shards)
    let operand = Arena<Float>(count: 4096)
    let result = Arena<Float>(count: 4096)
    // Taken out of the instructions first: iterating over these allocates by itself without optimization.
    let products = plan.instructions.compactMap { instruction -> MatrixForm? in
      instruction.matrixForm
    }
    let scratch = Arena<Float>(count: products.map(\.scratchCount).max() ?? 0)
    func pass() {
      products.withUnsafeBufferPointer { products in
        for index in products.indices {
          FloatKernels.matrixProduct(
            products[index], operand.base, operand.base, bias: nil, activation: nil, result.base,
            scratch: scratch.base)
        }
      }
    }
    pass()
    allocation_counter_arm()
    for _ in 0..<Self.shards * Self.steps { pass() }
    return allocation_counter_disarm()
  }

  /// Allocations in twenty steps, over the ends of epochs, of ten steps each; and in the products of as many.
  ///
  /// - Parameter afterStep: counted too.
  private func allocations(
    _ trainer: Trainer, afterStep: () throws -> Void = {}
  ) throws -> (counted: Int, products: Int) {
    let products = try allocationsOfProducts(trainer.objective)
    var counted = 0
    _ = try trainer.fit(untilStep: 60) { _ in
      if trainer.step == 15 { allocation_counter_arm() }
      try afterStep()
      if trainer.step == 15 + Self.steps { counted = allocation_counter_disarm() }
    }
    return (counted, products)
  }

  @Test(arguments: [AveragingStrategy.shared, .allreduce(bucketBytes: 1024)], [false, true])
  func aStepAllocatesNothingOfItsOwn(_ averaging: AveragingStrategy, clips: Bool) throws {
    ComputeLibrary.setThreads(1)
    let optimizer = Optimizer(.adam(), learningRate: 1e-3, clipNorm: clips ? 0.1 : nil)
    let trainer = try makeTrainer(averaging, optimizer)
    let (counted, products) = try allocations(trainer)
    #expect(
      counted == products, "\(counted) in \(Self.steps) steps, \(products) inside their matrix products")
    #expect(trainer.step == 60)
  }

  @Test func neitherRoundedNorLocalStepsAllocate() throws {
    ComputeLibrary.setThreads(1)
    let averaging: [AveragingStrategy] = [.shared, .periodic(LocalSteps(period: 4))]
    for (averaging, wire) in averaging.flatMap({ way in WireFormat.allCases.map { (way, $0) } }) {
      let optimizer = Optimizer(.adam(), learningRate: 1e-3, clipNorm: 0.1)
      let trainer = try makeTrainer(averaging, optimizer, wire: wire)
      let (counted, products) = try allocations(trainer)
      #expect(counted == products, "\(averaging), \(wire): \(counted), \(products) inside their products")
    }
  }

  @Test(arguments: [AveragingStrategy.shared, .allreduce(bucketBytes: 1024)])
  func shardsThatMeetAllocateNothing(_ averaging: AveragingStrategy) throws {
    ComputeLibrary.setThreads(1)
    let model = Sequential(
      [.dense(24), .batchNormalization, .activation(.relu), .dense(10)], synchronizesBatchNormalization: true)
    let trainer = try makeTrainer(averaging, .adam(learningRate: 1e-3), model)
    let (counted, products) = try allocations(trainer)
    #expect(counted == products, "\(counted) in \(Self.steps) steps, \(products) inside their products")
  }

  /// Two halves of an update, a frozen parameter, penalties, an average, a momentum of its own every step.
  @Test(arguments: [AveragingStrategy.shared, .allreduce(bucketBytes: 1024)])
  func noRuleOrGroupAllocates(_ averaging: AveragingStrategy) throws {
    ComputeLibrary.setThreads(1)
    let rules: [UpdateRule] = [
      .lamb(), .lars(), .lion(), .rmsprop(momentum: 0.9, centered: true), .adagrad(), .adamW(),
    ]
    for rule in rules {
      var optimizer = Optimizer(
        rule, learningRate: 1e-3, schedule: .oneCycle(OneCycle(total: 60)), clipNorm: 0.1)
      optimizer.groups = [
        ParameterGroup("0.weight", learningRateFactor: 2, weightDecay: 0.1),
        ParameterGroup("0.*", learningRateFactor: 0),
      ]
      (optimizer.l1, optimizer.decaysNormsAndBiases, optimizer.averageDecay) = (1e-3, false, 0.9)
      let trainer = try makeTrainer(averaging, optimizer)
      let (counted, products) = try allocations(trainer)
      #expect(counted == products, "\(rule): \(counted) in \(Self.steps) steps, \(products) in products")
    }
  }

  /// What is copied and handed on at a step's end; the writer has a thread of its own, which is not counted.
  @Test func takingTheStateAllocatesNothing() throws {
    let trainer = try makeTrainer(.shared, .adam(learningRate: 1e-3))
    let stream = StateStream(
      trainer.communicator, slices: trainer.synchronized.sum.slices,
      vectors: trainer.synchronized.state.vectors)
    let (counted, products) = try allocations(trainer) {
      if trainer.step % 3 == 0 { stream.begin() }
      try stream.advance()
    }
    #expect(counted == products, "\(counted) in \(Self.steps) steps, \(products) inside their products")
  }

  @Test func anAllocationInAStepIsSeen() throws {
    let trainer = try makeTrainer(.ordered, .adam(learningRate: 1e-3))
    var kept: [Arena<Float>] = []
    kept.reserveCapacity(100)
    let (counted, products) = try allocations(trainer) {
      if trainer.step == 20 { kept.append(Arena(count: 16)) }
    }
    #expect(counted > products)
  }
}
