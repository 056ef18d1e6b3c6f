import Testing
import Training

@Suite struct ConfigurationIdentity {
  @Test(arguments: [
    "batch=64", "shards=4", "seed=1", "threads=2", "shuffle=false", "lastBatch=drop", "loss=meanSquaredError",
    "model.hidden=[64]", "model.initial=zeros", "data.seed=1", "data.samples=100", "data.normalization=none",
    "optimizer.learningRate=0.2", "optimizer.momentum=0.1", "optimizer.clipNorm=1", "schedule.warmupSteps=5",
    "averaging.strategy=allreduce", "validation.fraction=0.1", "accumulate=2", "ema.decay=0.9",
    "optimizer.groups=[{match: a}]", "optimizer.scaleWithBatch.reference=64", "schedule.name=plateau",
    "schedule.warmupEpochs=1", "optimizer.l1=1", "optimizer.decayNormsAndBiases=false",
  ])
  func `what changes the weights changes the identity`(override: String) throws {
    #expect(try parsed(minimal, override).trainingIdentity != RunConfiguration().trainingIdentity)
  }

  @Test(arguments: [
    "epochs=50", "steps=50", "metrics.everySteps=7", "checkpoint.keep=9", "checkpoint.everySteps=9",
    "checkpoint.every=auto", "checkpoint.everyMinutes=3", "checkpoint.keepEvery=9",
    "checkpoint.final=best", "validation.on=rank-0", "validation.shard=10", "data.testSamples=10",
    "averaging.bucketMiB=2", "earlyStopping.patience=2",
  ])
  func `what does not change the weights does not change the identity`(override: String) throws {
    let changed = try parsed(minimal, override)
    #expect(changed != RunConfiguration())
    #expect(changed.trainingIdentity == RunConfiguration().trainingIdentity)
  }

  @Test func `the folder of the data may move`() throws {
    let here = try parsed("data: {name: idx, path: /here}").trainingIdentity
    #expect(try parsed("data: {name: idx, path: /there}").trainingIdentity == here)
    #expect(try parsed("data: {name: idx, path: /there, classes: 9}").trainingIdentity != here)
  }

  @Test func `bucket sizes count where MPI adds`() throws {
    let one = try parsed(minimal, "averaging.strategy=allreduce").trainingIdentity
    let two = try parsed(minimal, "averaging.strategy=allreduce", "averaging.bucketMiB=2").trainingIdentity
    #expect(one != two)
  }

  @Test func `validation counts where the learning rate follows it`() throws {
    for override in ["validation.everyEpochs=2", "validation.shard=10"] {
      let plateau = try parsed(minimal, "schedule.name=plateau")
      #expect(
        try parsed(minimal, "schedule.name=plateau", override).trainingIdentity != plateau.trainingIdentity)
      #expect(try parsed(minimal, override).trainingIdentity == RunConfiguration().trainingIdentity)
    }
  }

  @Test func `a cosine schedule keeps its length when a run is prolonged`() throws {
    var short = try parsed(minimal, "schedule.name=cosine", "epochs=2")
    short.resolve(stepsInRun: 200, shards: 8)
    var long = try RunConfiguration.parse(short.yaml, file: "config.yaml", overrides: ["epochs=4"])
    long.resolve(stepsInRun: 400, shards: 16)
    #expect(long.schedule.totalSteps == 200)
    #expect(long.shards == 8)
    #expect(long.trainingIdentity == short.trainingIdentity)
    var other = try parsed(minimal, "schedule.name=cosine", "epochs=4")
    other.resolve(stepsInRun: 400, shards: 8)
    #expect(other.trainingIdentity != short.trainingIdentity)
    var constant = RunConfiguration()
    constant.resolve(stepsInRun: 5, shards: 4)
    #expect(constant.schedule.totalSteps == nil)
  }
}
