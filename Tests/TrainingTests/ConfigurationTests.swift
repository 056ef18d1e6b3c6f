import Testing
import Training

@Suite struct ConfigurationReading {
  @Test func `a minimal file gets every default`() throws {
    #expect(try parsed(minimal) == RunConfiguration())
  }

  @Test func `every key reaches its own field`() throws {
    let read = try parsed(
      """
      model: {name: mlp, hidden: [7, 5], activation: tanh, initial: heNormal}
      data: {name: idx, path: /some/where, classes: 26, normalization: standard}
      loss: meanSquaredError
      optimizer:
        {name: adamW, learningRate: 0.002, weightDecay: 0.03,
         beta1: 0.8, beta2: 0.95, epsilon: 1e-6, clipNorm: 2.5}
      schedule: {name: cosine, warmupSteps: 3, totalSteps: 400, minimum: 1e-5}
      batch: 96
      lastBatch: drop
      shards: 6
      steps: 77
      seed: 11
      threads: 2
      shuffle: false
      averaging: {strategy: allreduce, bucketMiB: 0.25}
      validation: {on: rank-0, everyEpochs: 2, fraction: 0.1, shard: 64}
      checkpoint: {everyEpochs: 3, everySteps: 40, everyMinutes: 2.5, keep: 5, keepEvery: 200, final: best}
      metrics: {everySteps: 9}
      """)
    var expected = RunConfiguration()
    expected.model.hidden = [7, 5]
    expected.model.activation = .tanh
    expected.model.initial = .heNormal
    expected.data.name = .idx
    expected.data.path = "/some/where"
    expected.data.classes = 26
    expected.data.normalization = .standard
    expected.loss = .meanSquaredError
    expected.optimizer = OptimizerConfiguration(.adamW)
    expected.optimizer.learningRate = 0.002
    expected.optimizer.weightDecay = 0.03
    expected.optimizer.beta1 = 0.8
    expected.optimizer.beta2 = 0.95
    expected.optimizer.epsilon = 1e-6
    expected.optimizer.clipNorm = 2.5
    expected.schedule.name = .cosine
    expected.schedule.warmupSteps = 3
    expected.schedule.totalSteps = 400
    expected.schedule.minimum = 1e-5
    expected.batch = 96
    expected.lastBatch = .drop
    expected.shards = 6
    expected.length = .steps(77)
    expected.seed = 11
    expected.threads = 2
    expected.shuffle = false
    expected.averaging.strategy = .allreduce
    expected.averaging.bucketMiB = 0.25
    expected.validation.on = .rankZero
    expected.validation.everyEpochs = 2
    expected.validation.fraction = 0.1
    expected.validation.shard = 64
    expected.checkpoint.everyEpochs = 3
    expected.checkpoint.everySteps = 40
    expected.checkpoint.everyMinutes = 2.5
    expected.checkpoint.keepEvery = 200
    expected.checkpoint.keep = 5
    expected.checkpoint.final = .best
    expected.metrics.everySteps = 9
    #expect(read == expected)
    #expect(read.averaging.bucketBytes == 262_144)
  }

  @Test func `defaults of the optimizer follow its name`() throws {
    #expect(try parsed(minimal + "optimizer: {name: adamW}").optimizer.weightDecay == 0.01)
    #expect(try parsed(minimal + "optimizer: {name: adam}").optimizer.weightDecay == 0)
    #expect(try parsed(minimal + "optimizer: {name: adam}").optimizer.learningRate == 0.001)
    #expect(try parsed(minimal).optimizer.learningRate == 0.1)
    let lars = try parsed(minimal + "optimizer: {name: lars}").optimizer
    #expect(lars.momentum == 0.9 && lars.weightDecay == 0 && !lars.decayNormsAndBiases)
    let lamb = try parsed(minimal + "optimizer: {name: lamb}").optimizer
    #expect(lamb.epsilon == 1e-6 && lamb.weightDecay == 0.01 && !lamb.decayNormsAndBiases)
    let lion = try parsed(minimal + "optimizer: {name: lion}").optimizer
    #expect(lion.beta2 == 0.99 && lion.learningRate == 0.0001 && lion.decayNormsAndBiases)
    #expect(try parsed(minimal + "optimizer: {name: adamW, weightDecay: 0}").optimizer.weightDecay == 0)
  }

  @Test(arguments: [
    minimal, "data: {name: idx, path: \"/a b/'c' \\\"d\\\" #e: \\n \\u00e9\"}",
    "data: {name: idx, path: \"true\"}", "data: {name: idx, path: \"123\"}",
    "data: {name: idx, path: \"R \\u0026D\"}",
    minimal + "optimizer: {name: adam, learningRate: 3.0e-4, clipNorm: 0.1}",
    minimal + "schedule: {name: step, everySteps: 10, factor: 0.3333333333333333}\nshards: 4",
    minimal + "schedule: {name: cosine, totalSteps: 10}\nsteps: 9\nmodel: {hidden: []}",
    minimal + "optimizer: {name: sgd, momentum: 0.9, nesterov: true}\nseed: 9223372036854775807",
    minimal + "optimizer: {name: rmsprop, alpha: 0.9, centered: true, momentum: 0.5, l1: 1.0e-5}",
    minimal + "optimizer: {name: adagrad, learningRateDecay: 0.1, initialAccumulator: 0.2, epsilon: 0.001}",
    minimal + "optimizer: {name: lars, trustCoefficient: 0.02, nesterov: true, decayNormsAndBiases: true}",
    minimal + "optimizer: {name: lamb, l2: 0.1, scaleWithBatch: {reference: 32}}\naccumulate: 4",
    minimal + "optimizer: {name: lion, groups: [{match: \"a: b, {c}*\", learningRateFactor: 0.5}, "
      + "{match: head.*, weightDecay: 0}]}",
    minimal + "schedule: {name: multiStep, milestoneEpochs: [3, 5], factor: 0.5, warmupEpochs: 1}",
    minimal + "schedule: {name: exponential, everyEpochs: 2}",
    minimal + "schedule: {name: polynomial, power: 2, minimum: 0.01, totalSteps: 70, warmupSteps: 3}",
    minimal + "schedule: {name: oneCycle, rising: 0.2, startDivisor: 5, finalDivisor: 9, lowMomentum: 0.5}",
    minimal + "schedule: {name: oneCycle, cycleMomentum: false}",
    minimal + "schedule: {name: plateau, patience: 2, threshold: 0.01, cooldown: 1, minimum: 0.001}",
    minimal + "ema: {decay: 0.99, evaluate: false}\n"
      + "earlyStopping: {patience: 3, minimumImprovement: 0.01, on: accuracy}",
  ])
  func `the resolved configuration reads back to the same value`(text: String) throws {
    let read = try parsed(text)
    let again = try RunConfiguration.parse(read.yaml, file: "config.yaml")
    #expect(again == read, "\(read.yaml)")
    #expect(again.yaml == read.yaml)
  }

  @Test func `the resolved configuration names every default`() throws {
    let yaml = RunConfiguration().yaml
    for line in ["  hidden: [128]", "  learningRate: 0.1", "epochs: 5", "  keep: 3", "  strategy: auto"] {
      #expect(yaml.split(separator: "\n").contains(Substring(line)), "\(line)")
    }
    #expect(!yaml.contains("beta1"))
    #expect(!yaml.contains("clipNorm"))
  }

  @Test func `values set in a program are checked like those of a file`() throws {
    var configuration = RunConfiguration()
    try configuration.validate()
    configuration.batch = 0
    let error = try #require(throws: ConfigurationError.self, performing: { try configuration.validate() })
    #expect(error.diagnosis.expected.contains("batch"))
    // Writing is for looking at, whatever the values.
    #expect(configuration.yaml.contains("batch: 0"))
  }

  @Test func `null and an empty value take the default`() throws {
    #expect(try parsed(minimal + "batch: null\noptimizer:\ncheckpoint: ~\nshards:\n") == RunConfiguration())
  }
}

@Suite struct ConfigurationOverrides {
  @Test func `overrides replace, add and take back, the last one winning`() throws {
    let read = try parsed(
      "data: {name: digits}\noptimizer: {momentum: 0.9}\nepochs: 3", "batch=32", "batch=64",
      "optimizer.name=adam", "optimizer.momentum=null", "model.hidden=[9, 8]", "epochs=", "steps=10",
      "checkpoint={keep: 7}")
    #expect(read.batch == 64)
    #expect(read.optimizer == OptimizerConfiguration(.adam))
    #expect(read.model.hidden == [9, 8])
    #expect(read.length == .steps(10))
    #expect(read.checkpoint.keep == 7)
    // The section that an override fills stays what it was besides.
    #expect(
      try parsed(minimal + "optimizer: {momentum: 0.5}", "optimizer.nesterov=true").optimizer.momentum == 0.5)
  }

  @Test func `a key that an override replaces is told by the override`() throws {
    let error = try refusal(minimal + "optimizer:\n  name: adam\n  momentum:\n", ["optimizer.momentum=0.5"])
    #expect(error.diagnosis.place == "--set optimizer.momentum=0.5")
  }

  @Test(arguments: [
    ("bacth=3", "Did you mean batch?"), ("optimizer.lerningRate=3", "Did you mean optimizer.learningRate?"),
    ("batch=x", "whole number"), ("batch", "section.key=value"), ("=3", "section.key=value"),
    ("a..b=3", "section.key=value"), ("batch.size=3", "\"batch\" to be a section"), ("batch=[1", "YAML"),
    ("batch=1\n2: 3", "batch=1"), ("optimizer.name=adom", "Did you mean adam?"),
    ("data.path=&a x", "anchor"),
  ])
  func `a wrong override is told by its own text`(override: String, says: String) throws {
    let error = try refusal("data: {name: digits}\nbatch: 8", [override])
    #expect(error.diagnosis.place.hasPrefix("--set "), "\(error)")
    #expect(error.description.contains(says), "\(error)")
  }
}
