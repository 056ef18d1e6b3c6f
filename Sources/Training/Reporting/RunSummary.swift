/// What is said at the end of a run: how good the model is, what it cost, where it is, what to try next.
public struct RunSummary: Sendable, Equatable {
  /// A measurement on one set of samples.
  public struct Result: Sendable, Equatable {
    public var split: MetricsRecord.Split
    public var loss: Double
    public var accuracy: Double?
    public var samples: Int

    public init(split: MetricsRecord.Split, loss: Double, accuracy: Double?, samples: Int) {
      self.split = split
      self.loss = loss
      self.accuracy = accuracy
      self.samples = samples
    }
  }

  public var results: [Result] = []
  /// The epoch whose validation was the best, and how many there were.
  public var bestEpoch: Int?
  public var epochs: Int
  public var steps: Int
  /// How long it took to begin; nil where nobody measured it.
  public var start: StartTimes?
  /// The part of the steps' time that each rank waited for others, messages included.
  public var waits: [Double] = []
  /// Steps that changed nothing, for their numbers could not be used.
  public var skippedSteps = 0
  /// What saving cost; nil where nobody measured it.
  public var checkpoints: CheckpointCosts?
  public var samplesPerSecond: Double
  /// Of this process, from start to end.
  public var totalSeconds: Double
  /// Seconds of each phase in the order of `TimeAccount.Phase.allCases`, on this rank or added over ranks.
  public var phases: [Double]
  public var ranks: Int
  public var threads: Int
  /// The folder of the run, as it was given; nil when nothing was saved.
  public var folder: String?
  /// The digest of the weights, if there is one; equal digests mean equal bits.
  public var digest: String?
  /// What the command was called as, for the commands to try next.
  public var program = "lockstep"

  public init(
    results: [Result], bestEpoch: Int? = nil, epochs: Int, steps: Int, samplesPerSecond: Double,
    totalSeconds: Double, phases: [Double], ranks: Int, threads: Int, folder: String? = nil,
    digest: String? = nil
  ) {
    self.results = results
    self.bestEpoch = bestEpoch
    self.epochs = epochs
    self.steps = steps
    self.samplesPerSecond = samplesPerSecond
    self.totalSeconds = totalSeconds
    self.phases = phases
    self.ranks = ranks
    self.threads = threads
    self.folder = folder
    self.digest = digest
  }

  /// Some lines of text, the last without a line end.
  public var text: String {
    var rows: [(String, String)] = []
    for result in results {
      var parts: [String] = []
      if let accuracy = result.accuracy { parts.append("accuracy \(NumberText.percent(accuracy))") }
      parts.append("loss \(NumberText.loss(result.loss))")
      parts.append("(\(NumberText.grouped(Double(result.samples))) samples)")
      rows.append((result.split.rawValue, parts.joined(separator: "  ")))
    }
    if let bestEpoch { rows.append(("best epoch", "\(bestEpoch) of \(epochs)")) }
    if steps > 0 {
      rows.append(
        (
          "speed",
          "\(NumberText.rate(samplesPerSecond)) samples/s on \(Self.count(ranks, "rank")) "
            + "with \(Self.count(threads, "thread"))\(ranks > 1 ? " each" : "")"
        ))
      rows.append(
        (
          "time",
          "\(NumberText.duration(totalSeconds)) for \(NumberText.grouped(Double(steps))) steps: \(shares)"
        ))
    }
    if let waits = RankTimes.text(waits: waits) { rows.append(("waiting", waits)) }
    if skippedSteps > 0 {
      rows.append(("skipped", "\(Self.count(skippedSteps, "step")) with infinite numbers or NaN"))
    }
    if let checkpoints, checkpoints.count > 0 { rows.append(("saving", checkpoints.text)) }
    if let start = start?.text { rows.append(("start", start)) }
    if let digest { rows.append(("weights", digest)) }
    if let folder {
      rows.append(("results", "\(folder)/metrics.jsonl, \(folder)/checkpoints"))
      rows.append(("next", "\(Self.shellWord(program)) evaluate \(Self.shellWord(folder))"))
      rows.append(("", "\(Self.shellWord(program)) inspect \(Self.shellWord(folder))"))
    }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { name, value in
      name + String(repeating: " ", count: width - name.count + 2) + value
    }.joined(separator: "\n")
  }

  /// `compute 81 %, communication 12 %, ...`; phases that round to nothing are left out.
  private var shares: String {
    let parts = zip(TimeAccount.Phase.allCases, TimeAccount.percentages(of: phases))
      .filter { $0.1 > 0 }.map { "\($0.0) \($0.1) %" }
    return parts.isEmpty ? "not measured" : parts.joined(separator: ", ")
  }

  private static func count(_ number: Int, _ word: String) -> String {
    "\(number) \(word)\(number == 1 ? "" : "s")"
  }

  /// A word that a shell takes as it is meant.
  package static func shellWord(_ text: String) -> String {
    let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-=+@%:,".contains($0)) }
    return isPlain && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }
}
