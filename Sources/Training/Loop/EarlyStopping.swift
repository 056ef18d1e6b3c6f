/// Whether a run has stopped improving. It is told the figures of every validation, the same on all ranks,
/// and belongs to the run's saved state.
struct EarlyStopping: Codable, Equatable {
  /// The best figure so far; nil before the first finite one.
  private(set) var best: Double?
  /// Validations since then.
  private(set) var withoutImprovement = 0

  mutating func observe(_ evaluation: Evaluation, _ settings: EarlyStoppingConfiguration) {
    let figure = settings.on == .loss ? evaluation.loss : evaluation.accuracy ?? 0
    let sign: Double = settings.on == .loss ? -1 : 1
    if figure.isFinite, best.map({ sign * (figure - $0) > settings.minimumImprovement }) ?? true {
      best = figure
      withoutImprovement = 0
    } else {
      withoutImprovement += 1
    }
  }

  func isOver(_ settings: EarlyStoppingConfiguration) -> Bool {
    settings.patience.map { withoutImprovement >= $0 } ?? false
  }

  func reason(_ settings: EarlyStoppingConfiguration) -> String {
    let best = best.map { settings.on == .loss ? NumberText.loss($0) : NumberText.percent($0) } ?? "nothing"
    return "the \(settings.on.rawValue) has not improved on \(best) in \(withoutImprovement) validations"
  }
}
