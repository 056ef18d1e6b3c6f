import Testing
import Training

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
    let error = try refusal(mistake.text)
    #expect(error.diagnosis.place == "run.yaml:\(mistake.line)")
    for part in mistake.says { #expect(error.description.contains(part), "\(error)") }
    #expect(!error.diagnosis.remedy.isEmpty)
  }

  @Test func `what is missing altogether is missing in the file`() throws {
    #expect(try refusal("").diagnosis.place == "run.yaml")
    #expect(try refusal("batch: 3").description.contains("data.name: digits or shapes or"))
    let error = try refusal(minimal + "schedule: {name: step}")
    #expect(error.description.contains("--set schedule.everySteps=1000"))
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
