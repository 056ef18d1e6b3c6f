import Foundation
import Testing

import Training

private func parse(_ text: String, _ overrides: String...) throws -> RunConfiguration {
  try RunConfiguration.parse(text, file: "run.yaml", overrides: overrides)
}

/// The error that `text` leads to.
private func failure(_ text: String, _ overrides: [String] = []) throws -> ConfigurationError {
  try #require(
    throws: ConfigurationError.self, "\(text.prefix(200)) \(overrides)",
    performing: { try RunConfiguration.parse(text, file: "run.yaml", overrides: overrides) })
}

private let minimal = "data: {name: digits}\n"

@Suite struct ConfigurationReading {
  @Test func `a minimal file gets every default`() throws {
    #expect(try parse(minimal) == RunConfiguration())
  }

  @Test func `every key reaches its own field`() throws {
    let read = try parse(
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
    #expect(try parse(minimal + "optimizer: {name: adamW}").optimizer.weightDecay == 0.01)
    #expect(try parse(minimal + "optimizer: {name: adam}").optimizer.weightDecay == 0)
    #expect(try parse(minimal + "optimizer: {name: adam}").optimizer.learningRate == 0.001)
    #expect(try parse(minimal).optimizer.learningRate == 0.1)
    let lars = try parse(minimal + "optimizer: {name: lars}").optimizer
    #expect(lars.momentum == 0.9 && lars.weightDecay == 0 && !lars.decayNormsAndBiases)
    let lamb = try parse(minimal + "optimizer: {name: lamb}").optimizer
    #expect(lamb.epsilon == 1e-6 && lamb.weightDecay == 0.01 && !lamb.decayNormsAndBiases)
    let lion = try parse(minimal + "optimizer: {name: lion}").optimizer
    #expect(lion.beta2 == 0.99 && lion.learningRate == 0.0001 && lion.decayNormsAndBiases)
    #expect(try parse(minimal + "optimizer: {name: adamW, weightDecay: 0}").optimizer.weightDecay == 0)
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
    let read = try parse(text)
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
    #expect(try parse(minimal + "batch: null\noptimizer:\ncheckpoint: ~\nshards:\n") == RunConfiguration())
  }
}

@Suite struct ConfigurationMistakes {
  struct Mistake: CustomTestStringConvertible {
    let text: String
    let line: Int
    let says: [String]

    init(_ text: String, line: Int, _ says: String...) {
      self.text = text
      self.line = line
      self.says = says
    }

    var testDescription: String { text }
  }

  @Test(arguments: [
    // Unknown keys, and the nearest known ones.
    Mistake("data: {name: digits}\nbacth: 3", line: 2, "bacth", "Did you mean batch?"),
    Mistake("data: {name: digits}\nlearning_rate: 3", line: 2, "Did you mean optimizer.learningRate?"),
    Mistake(
      "data: {name: digits}\noptimizer:\n  name: sgd\n  learning-rate: 1", line: 4,
      "Did you mean optimizer.learningRate?"),
    Mistake("data: {name: digits}\nxyzzy: 1", line: 2, "Known here: model, data"),
    Mistake("data: {nane: digits}", line: 1, "unknown key \"nane\"", "Did you mean name?"),
    Mistake("data: {name: digits}\nmodel: {hidden: [3], hiden: [4]}", line: 2, "Did you mean model.hidden?"),
    // An unknown key is unknown even without a value.
    Mistake("data: {name: digits}\nbacth:", line: 2, "Did you mean batch?"),
    // Wrong types.
    Mistake("data: {name: digits}\nbatch: many", line: 2, "whole number", "many"),
    Mistake("data: {name: digits}\nbatch: 12.5", line: 2, "whole number", "12.5"),
    Mistake("data: {name: digits}\nbatch: '12'", line: 2, "the text \"12\""),
    Mistake("data: {name: digits}\nbatch: [1, 2]", line: 2, "a list of 2"),
    Mistake("data: {name: digits}\nbatch: 99999999999999999999", line: 2, "whole number"),
    Mistake("data: {name: digits}\nmodel: {hidden: 128}", line: 2, "a list such as"),
    Mistake("data: {name: digits}\nmodel:\n  hidden:\n    - 3\n    - x", line: 5, "whole number", "x"),
    Mistake("data: {name: digits}\noptimizer: sgd", line: 2, "section", "sgd"),
    Mistake("data: {name: digits}\noptimizer: {learningRate: nan}", line: 2, "number above 0", "nan"),
    Mistake("data: {name: digits}\noptimizer: {learningRate: 1e999}", line: 2, "number above 0"),
    Mistake("data: {name: digits}\nshuffle: yes", line: 2, "true or false", "yes"),
    Mistake("data: {name: idx, path: [a]}", line: 1, "data.path"),
    Mistake("data: {name: digits, 3: 4, [a]: b}", line: 1, "a name as the key"),
    // Out of range.
    Mistake("data: {name: digits}\nbatch: 0", line: 2, "from 1", "0"),
    Mistake("data: {name: digits}\nseed: -1", line: 2, "at least 0", "-1"),
    Mistake("data: {name: digits}\noptimizer: {momentum: 1}", line: 2, "below 1", "1.0"),
    Mistake("data: {name: digits}\noptimizer: {clipNorm: 0}", line: 2, "above 0"),
    Mistake("data: {name: digits}\nmodel: {hidden: [3, 0]}", line: 2, "from 1", "0"),
    Mistake("data: {name: digits}\ncheckpoint: {keep: 1}", line: 2, "from 2"),
    Mistake("data: {name: digits}\nvalidation: {fraction: 1}", line: 2, "below 1"),
    Mistake("data: {name: digits}\ncheckpoint: {everyMinutes: 0}", line: 2, "above 0"),
    Mistake("data: {name: digits}\ncheckpoint: {keepEvery: 0}", line: 2, "from 1 to"),
    Mistake("data: {name: digits}\ncheckpoint: {every: auto, costPercent: 60}", line: 2, "up to 50"),
    Mistake(
      "data: {name: digits}\ncheckpoint: {every: auto, everySteps: 5}", line: 2, "checkpoint.every given"),
    Mistake("data: {name: digits}\ncheckpoint: {costPercent: 2}", line: 2, "checkpoint.every auto"),
    // Unknown names, and the nearest.
    Mistake("data: {name: digits}\noptimizer: {name: adamw}", line: 2, "Did you mean adamW?"),
    Mistake("data: {name: mnist}", line: 1, "one of digits, shapes"),
    Mistake("data: {name: digits}\nloss: cross_entropy", line: 2, "Did you mean crossEntropy?"),
    // Keys that do not apply.
    Mistake(
      "data: {name: digits}\noptimizer:\n  name: adam\n  momentum: 0.9", line: 4, "sgd",
      "--set optimizer.momentum=null"),
    Mistake("data: {name: digits}\noptimizer: {beta1: 0.9}", line: 2, "adam"),
    Mistake("data: {name: digits}\nschedule: {factor: 0.9}", line: 2, "schedule.name step"),
    Mistake("data: {name: digits, path: x}", line: 1, "data.name idx"),
    Mistake("data: {name: idx, path: x, samples: 3}", line: 1, "data.name digits"),
    // Conditions between keys.
    Mistake(
      "data: {name: digits}\nepochs: 1\nsteps: 10", line: 3, "either in epochs or in steps",
      "--set epochs=null"),
    Mistake("data:\n  name: idx\n  path:", line: 3, "--set data.path=FOLDER"),
    Mistake("data: {name: digits}\noptimizer: {nesterov: true}", line: 2, "momentum above 0"),
    Mistake("data: {name: digits}\noptimizer: {l2: 1}", line: 2, "adamW, lamb, lion"),
    Mistake("data: {name: digits}\noptimizer: {groups: {match: a}}", line: 2, "a list of sections"),
    Mistake("data: {name: digits}\noptimizer: {groups: [head]}", line: 2, "a section with keys"),
    Mistake(
      "data: {name: digits}\noptimizer:\n  groups:\n    - {match: a, lerningRateFactor: 2}", line: 4,
      "Did you mean optimizer.groups.learningRateFactor?"),
    Mistake(
      "data: {name: digits}\noptimizer: {groups: [{learningRateFactor: 2}]}", line: 2, "match: \"head.*\""),
    Mistake(
      "data: {name: digits}\nschedule: {name: step, everySteps: 3, everyEpochs: 2}", line: 2, "both"),
    Mistake("data: {name: digits}\nschedule: {warmupSteps: 3, warmupEpochs: 2}", line: 2, "both"),
    Mistake("data: {name: digits}\nschedule: {name: oneCycle, warmupSteps: 3}", line: 2, "belongs to"),
    Mistake(
      "data: {name: digits}\nschedule: {name: oneCycle, cycleMomentum: false, lowMomentum: 0.5}", line: 2,
      "cycleMomentum"),
    Mistake(
      "data: {name: digits}\nschedule: {name: oneCycle, lowMomentum: 0.96}", line: 2, "at most highMomentum"),
    Mistake("data: {name: digits}\nschedule: {patience: 3}", line: 2, "schedule.name plateau"),
    Mistake("data: {name: digits}\nema: {evaluate: true}", line: 2, "ema.decay"),
    Mistake("data: {name: digits}\nearlyStopping: {on: loss}", line: 2, "earlyStopping.patience"),
    Mistake("data: {name: digits}\nbatch: 1000000\naccumulate: 17", line: 3, "16777216 samples"),
    Mistake(
      "data: {name: digits}\nschedule: {name: cosine, minimum: 3}", line: 2, "at most the learning rate"),
    Mistake(
      "data: {name: digits}\nschedule: {name: cosine, totalSteps: 3, warmupSteps: 3}", line: 2, "warm-up"),
    // Not the YAML that is meant.
    Mistake("data: {name: digits}\nbatch: 1\nbatch: 2", line: 2, "\"batch\" more than once"),
    Mistake("data: {name: digits}\nbatch: [1", line: 3, "YAML"),
    Mistake("data: {name: digits}\n\tbatch: 1", line: 2, "YAML"),
    Mistake("- 1\n- 2", line: 1, "a list of 2"),
    Mistake("data: &x {name: digits}\nbatch: *x", line: 1, "anchor"),
    Mistake("data: {name: digits}\n---\nbatch: 3", line: 2, "another document"),
  ])
  func `a mistake is told with its line and what to do`(mistake: Mistake) throws {
    let error = try failure(mistake.text)
    #expect(error.diagnosis.place == "run.yaml:\(mistake.line)")
    for part in mistake.says { #expect(error.description.contains(part), "\(error)") }
    #expect(!error.diagnosis.remedy.isEmpty)
  }

  @Test func `what is missing altogether is missing in the file`() throws {
    #expect(try failure("").diagnosis.place == "run.yaml")
    #expect(try failure("batch: 3").description.contains("data.name: digits or shapes or"))
    let error = try failure(minimal + "schedule: {name: step}")
    #expect(error.description.contains("--set schedule.everySteps=1000"))
  }
}

@Suite struct ConfigurationOverrides {
  @Test func `overrides replace, add and take back, the last one winning`() throws {
    let read = try parse(
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
      try parse(minimal + "optimizer: {momentum: 0.5}", "optimizer.nesterov=true").optimizer.momentum == 0.5)
  }

  @Test func `a key that an override replaces is told by the override`() throws {
    let error = try failure(minimal + "optimizer:\n  name: adam\n  momentum:\n", ["optimizer.momentum=0.5"])
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
    let error = try failure("data: {name: digits}\nbatch: 8", [override])
    #expect(error.diagnosis.place.hasPrefix("--set "), "\(error)")
    #expect(error.description.contains(says), "\(error)")
  }
}

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
    #expect(try parse(minimal, override).trainingIdentity != RunConfiguration().trainingIdentity)
  }

  @Test(arguments: [
    "epochs=50", "steps=50", "metrics.everySteps=7", "checkpoint.keep=9", "checkpoint.everySteps=9",
    "checkpoint.every=auto", "checkpoint.everyMinutes=3", "checkpoint.keepEvery=9",
    "checkpoint.final=best", "validation.on=rank-0", "validation.shard=10", "data.testSamples=10",
    "averaging.bucketMiB=2", "earlyStopping.patience=2",
  ])
  func `what does not change the weights does not change the identity`(override: String) throws {
    let changed = try parse(minimal, override)
    #expect(changed != RunConfiguration())
    #expect(changed.trainingIdentity == RunConfiguration().trainingIdentity)
  }

  @Test func `the folder of the data may move`() throws {
    let here = try parse("data: {name: idx, path: /here}").trainingIdentity
    #expect(try parse("data: {name: idx, path: /there}").trainingIdentity == here)
    #expect(try parse("data: {name: idx, path: /there, classes: 9}").trainingIdentity != here)
  }

  @Test func `bucket sizes count where MPI adds`() throws {
    let one = try parse(minimal, "averaging.strategy=allreduce").trainingIdentity
    let two = try parse(minimal, "averaging.strategy=allreduce", "averaging.bucketMiB=2").trainingIdentity
    #expect(one != two)
  }

  @Test func `validation counts where the learning rate follows it`() throws {
    for override in ["validation.everyEpochs=2", "validation.shard=10"] {
      let plateau = try parse(minimal, "schedule.name=plateau")
      #expect(
        try parse(minimal, "schedule.name=plateau", override).trainingIdentity != plateau.trainingIdentity)
      #expect(try parse(minimal, override).trainingIdentity == RunConfiguration().trainingIdentity)
    }
  }

  @Test func `a cosine schedule keeps its length when a run is prolonged`() throws {
    var short = try parse(minimal, "schedule.name=cosine", "epochs=2")
    short.resolve(stepsInRun: 200, shards: 8)
    var long = try RunConfiguration.parse(short.yaml, file: "config.yaml", overrides: ["epochs=4"])
    long.resolve(stepsInRun: 400, shards: 16)
    #expect(long.schedule.totalSteps == 200)
    #expect(long.shards == 8)
    #expect(long.trainingIdentity == short.trainingIdentity)
    var other = try parse(minimal, "schedule.name=cosine", "epochs=4")
    other.resolve(stepsInRun: 400, shards: 8)
    #expect(other.trainingIdentity != short.trainingIdentity)
    var constant = RunConfiguration()
    constant.resolve(stepsInRun: 5, shards: 4)
    #expect(constant.schedule.totalSteps == nil)
  }
}

@Suite struct ConfigurationFiles {
  @Test func `the digits preset is what it says`() throws {
    let preset = try RunConfiguration.load("digits")
    #expect(preset.model.hidden == [128])
    #expect(preset.data.name == .digits)
    #expect(preset.batch == 128)
    #expect(preset.shards == 8)
    #expect(preset.optimizer.momentum == 0.9)
    #expect(preset.optimizer.learningRate == 0.1)
    #expect(preset.length == .epochs(5))
    #expect(preset.data.normalization == .unit)
  }

  @Test func `the mnist preset asks for its folder, and differs in the data only`() throws {
    let error = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load("mnist") })
    #expect(error.diagnosis.place.hasPrefix("preset mnist:"))
    #expect(error.description.contains("--set data.path=FOLDER"))
    var mnist = try RunConfiguration.load("mnist", overrides: ["data.path=/data/mnist"])
    #expect(mnist.data.path == "/data/mnist")
    mnist.data = DataConfiguration()
    #expect(mnist == (try RunConfiguration.load("digits")))
  }

  @Test func `every line of a preset fits a screen, and its text parses as a file`() throws {
    for preset in ConfigurationPreset.all {
      #expect(preset.yaml.split(separator: "\n").allSatisfy { $0.count <= 100 })
      #expect(preset.yaml.hasSuffix("\n"))
      #expect(ConfigurationPreset.named(preset.name) == preset)
    }
  }

  @Test func `an argument that is nothing is explained both ways`() throws {
    let error = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load("minst") })
    #expect(error.description.contains("neither a file nor a preset"))
    #expect(error.description.contains("Did you mean the preset mnist?"))
    let path = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load("nowhere/at/all.yaml") })
    #expect(path.description.contains("--print-config"))
  }

  @Test func `files are read, folders and binary files refused`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "lockstep-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func load(_ name: String, _ content: Data) throws -> RunConfiguration {
      let file = folder.appendingPathComponent(name)
      try content.write(to: file)
      return try RunConfiguration.load(file.path)
    }
    #expect(try load("run.yaml", Data("data: {name: digits}\nbatch: 5\n".utf8)).batch == 5)
    // Windows' line ends and a byte order mark are no mistakes.
    #expect(try load("crlf.yaml", Data("\u{FEFF}data: {name: digits}\r\nbatch: 6\r\n".utf8)).batch == 6)
    #expect(throws: ConfigurationError.self) { try load("binary", Data([0x64, 0xFF, 0xFE, 0x00])) }
    #expect(throws: ConfigurationError.self) { try load("nul", Data("batch: \0".utf8)) }
    let big = try #require(
      throws: ConfigurationError.self, performing: { try load("big", Data(count: 3 << 20)) })
    #expect(big.description.contains("1 MiB"))
    try Data(minimal.utf8).write(to: folder.appendingPathComponent("config.yaml"))
    let error = try #require(
      throws: ConfigurationError.self, performing: { try RunConfiguration.load(folder.path) })
    #expect(error.description.contains("\(folder.path)/config.yaml"))
  }
}

@Suite struct ConfigurationHostility {
  @Test func `aliases that multiply are refused before they do`() throws {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...40 {
      let references = (0..<9).map { _ in "*a\(level - 1)" }.joined(separator: ", ")
      text += "a\(level): &a\(level) [\(references)]\n"
    }
    #expect(try failure(text + "? *a40\n: 1\n").description.contains("anchor"))
    // Hidden from whoever would look at quotes and comments.
    for hidden in [
      "x: [\"a # \", &y 1]", "x: b\n  'c\ny: &z 1", "'a'&x: 1", "[]&x", "- &x 1", "{a: 1,&b c: 2}",
    ] {
      #expect(ConfigurationNode.lineOfFirstAnchor(in: hidden) != nil, "\(hidden)")
    }
    #expect(ConfigurationNode.lineOfFirstAnchor(in: "path: /a&b/c & d # R& D x?a=1&b=2\n") == nil)
  }

  @Test(arguments: ["[", "{a: ", "- ", "? ", "[{a: "])
  func `nesting without end is refused`(opening: String) throws {
    for depth in [40, 900, 100_000] {
      _ = try failure("data: " + String(repeating: opening, count: depth))
      _ = try failure(String(repeating: opening, count: depth) + "x")
    }
    let closed = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
    #expect(try failure("data: " + closed).description.contains("levels of nesting"))
    let keys = "data: " + String(repeating: "{", count: 400) + "a" + String(repeating: ": 1}", count: 400)
    _ = try failure(keys)
  }

  @Test func `text that is too long is refused`() throws {
    #expect(try failure(String(repeating: "# x\n", count: 1 << 19)).description.contains("1 MiB"))
    let value = String(repeating: "x", count: 1 << 21)
    #expect(try failure(minimal, ["data.path=\(value)"]).description.count < 1000)
  }

  @Test func `any cut and any changed byte ends in a value or a diagnosed error`() throws {
    let bytes = Array(ConfigurationPreset.digits.yaml.utf8)
    for length in bytes.indices {
      let text = String(decoding: bytes[..<length], as: UTF8.self)
      do { _ = try RunConfiguration.parse(text, file: "f") } catch let error {
        #expect(error.diagnosis.place != "")
      }
    }
    var state: UInt64 = 1
    for _ in 0..<1500 {
      var changed = bytes
      for _ in 0..<3 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        changed[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24) & 0x7F
      }
      let read: RunConfiguration
      do {
        read = try RunConfiguration.parse(String(decoding: changed, as: UTF8.self), file: "f")
      } catch {
        #expect(!error.diagnosis.remedy.isEmpty)
        continue
      }
      #expect(try RunConfiguration.parse(read.yaml, file: "f") == read)
    }
  }
}

@Suite struct ConfigurationNearestNames {
  @Test(arguments: [
    ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("ab", "ba", 1), ("abcd", "acbd", 1),
    ("flaw", "lawn", 2),
  ])
  func `edits are counted, swaps once`(a: String, b: String, distance: Int) {
    #expect(NearestName.editDistance(Array(a), Array(b)) == distance)
    #expect(NearestName.editDistance(Array(b), Array(a)) == distance)
  }

  @Test func `only what is near is suggested, and the nearest of it`() {
    let names = ["momentum", "batch", "minimum", "keep"]
    #expect(NearestName.nearest(to: "momentun", among: names) == "momentum")
    #expect(NearestName.nearest(to: "minimun", among: names) == "minimum")
    #expect(NearestName.nearest(to: "BATCH", among: names) == "batch")
    #expect(NearestName.nearest(to: "zzzz", among: names) == nil)
    #expect(NearestName.nearest(to: "x", among: ["y"]) == nil)
    #expect(NearestName.nearest(to: String(repeating: "a", count: 100_000), among: names) == nil)
  }
}
