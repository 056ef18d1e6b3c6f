/// How far a run is, and how it looks on a line: pure functions of the state, the width and the time.
public struct ProgressState: Sendable, Equatable {
  /// The present epoch, from 1.
  public var epoch: Int
  /// Epochs of the whole run.
  public var epochs: Int
  /// Steps done of this epoch.
  public var stepInEpoch: Int
  public var stepsInEpoch: Int
  /// Steps that remain after this epoch.
  public var stepsAfterEpoch: Int
  /// Mean over the last samples; NaN before there is one.
  public var loss: Double
  /// 0...1; nil where there are no classes.
  public var accuracy: Double?
  /// Over all ranks; 0 before there is one.
  public var samplesPerSecond: Double

  public init(
    epoch: Int, epochs: Int, stepInEpoch: Int, stepsInEpoch: Int, stepsAfterEpoch: Int = 0, loss: Double,
    accuracy: Double? = nil, samplesPerSecond: Double
  ) {
    self.epoch = epoch
    self.epochs = epochs
    self.stepInEpoch = stepInEpoch
    self.stepsInEpoch = stepsInEpoch
    self.stepsAfterEpoch = stepsAfterEpoch
    self.loss = loss
    self.accuracy = accuracy
    self.samplesPerSecond = samplesPerSecond
  }

  /// The part of the epoch that is done, 0...1.
  var fraction: Double {
    stepsInEpoch > 0 ? min(1, max(0, Double(stepInEpoch) / Double(stepsInEpoch))) : 1
  }

  /// `57%`, rounded down, so that 100% means done.
  private var percentText: String {
    "\(stepsInEpoch > 0 ? min(100, max(0, 100 * stepInEpoch / stepsInEpoch)) : 100)%"
  }

  private var epochText: String { "epoch \(epoch)/\(epochs)" }

  /// What is known besides the epoch and the bar, the least important last.
  private func fields(secondsLeft: Double?) -> [String] {
    var fields = ["loss \(NumberText.loss(loss))"]
    if let accuracy { fields.append("accuracy \(NumberText.percent(accuracy))") }
    if samplesPerSecond > 0 { fields.append("\(NumberText.rate(samplesPerSecond)) samples/s") }
    if let secondsLeft { fields.append("\(NumberText.clock(secondsLeft)) left") }
    return fields
  }

  /// The line of a terminal, at most `width` - 1 columns (a full line would wrap on some terminals). As it
  /// gets narrower the bar shrinks, then goes, then the fields go from the last.
  ///
  /// - Parameter secondsLeft: to the end of the run; nil when it is not known yet.
  package func bar(width: Int, unicode: Bool, secondsLeft: Double?) -> String {
    let room = max(0, width - 1)
    let percent = percentText
    let head = epochText
    var fields = fields(secondsLeft: secondsLeft)
    func line(_ middle: String) -> String {
      ([head] + [middle] + fields).filter { !$0.isEmpty }.joined(separator: "  ")
    }
    while line(percent).count > room, !fields.isEmpty { fields.removeLast() }
    // The bar's own room: its two ends, and a space to the percentage.
    let bare = line(percent).count
    let barWidth = min(40, room - bare - 3)
    if barWidth >= 8 { return line(drawnBar(barWidth, unicode: unicode) + " " + percent) }
    return bare <= room ? line(percent) : String(head.prefix(room))
  }

  /// A bar of `width` cells between two ends; cells fill in eighths where there are characters for it.
  private func drawnBar(_ width: Int, unicode: Bool) -> String {
    guard unicode else {
      let full = Int(fraction * Double(width))
      return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full) + "]"
    }
    let eighths = Int(fraction * Double(width * 8))
    var cells = String(repeating: "█", count: eighths / 8)
    if eighths % 8 > 0 { cells.append(["▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8 - 1]) }
    return "▕" + cells + String(repeating: " ", count: width - cells.count) + "▏"
  }

  /// The line of a file or pipe, for on the way.
  func line(secondsLeft: Double?) -> String {
    (["\(epochText)  \(percentText)"] + fields(secondsLeft: secondsLeft)).joined(separator: "  ")
  }
}

/// What one line says about an epoch that is over.
public struct EpochSummary: Sendable, Equatable {
  public var epoch: Int
  public var epochs: Int
  /// Over the epoch's samples.
  public var trainingLoss: Double
  public var trainingAccuracy: Double?
  /// What the model was tried on: `validation` or `test`.
  public var split = MetricsRecord.Split.validation
  /// On samples that were not trained on; nil where the epoch had no validation.
  public var validationLoss: Double?
  public var validationAccuracy: Double?
  public var samplesPerSecond: Double
  public var seconds: Double

  public init(
    epoch: Int, epochs: Int, trainingLoss: Double, trainingAccuracy: Double? = nil,
    split: MetricsRecord.Split = .validation, validationLoss: Double? = nil,
    validationAccuracy: Double? = nil, samplesPerSecond: Double, seconds: Double
  ) {
    self.epoch = epoch
    self.epochs = epochs
    self.trainingLoss = trainingLoss
    self.trainingAccuracy = trainingAccuracy
    self.split = split
    self.validationLoss = validationLoss
    self.validationAccuracy = validationAccuracy
    self.samplesPerSecond = samplesPerSecond
    self.seconds = seconds
  }

  public var text: String {
    var fields = ["epoch \(epoch)/\(epochs)", "loss \(NumberText.loss(trainingLoss))"]
    if let trainingAccuracy { fields.append("accuracy \(NumberText.percent(trainingAccuracy))") }
    if let validationLoss { fields.append("\(split.rawValue) loss \(NumberText.loss(validationLoss))") }
    if let validationAccuracy {
      fields.append("\(split.rawValue) accuracy \(NumberText.percent(validationAccuracy))")
    }
    fields.append("\(NumberText.rate(samplesPerSecond)) samples/s")
    fields.append(NumberText.duration(seconds))
    return fields.joined(separator: "  ")
  }
}
