import Datasets

/// A few test samples as pictures, with what the model takes them for: so that a stranger sees what it does.
enum DigitGallery {
  /// nil where the samples are not images of 28 by 28 in one channel.
  static func picture(of run: TrainingRun) -> String? {
    guard let test = run.data.test, test.inputSize == 28 * 28, test.target == .classes(10) else {
      return nil
    }
    let terminal = Terminal.of(1)
    let columns = max(28, min(terminal.width, 120))
    let count = min((columns + 2) / 30, test.count)
    let samples = Array(0..<count)
    guard let rows = try? run.trainer.evaluator.predict(test, samples: samples) else { return nil }
    let predicted = rows.map { row in row.withUnsafeBufferPointer(Evaluator.largest) }
    var images = [Float](repeating: 0, count: count * test.inputSize)
    var labels = [Int32](repeating: 0, count: count)
    images.withUnsafeMutableBufferPointer { images in
      labels.withUnsafeMutableBufferPointer { labels in
        samples.withUnsafeBufferPointer { samples in
          guard let image = images.baseAddress, let label = labels.baseAddress else { return }
          test.fill(samples, epoch: 0, inputs: image, targets: .labels(label))
        }
      }
    }
    let style: DigitPreview.Style = terminal.hasColor ? .color : terminal.hasUnicode ? .blocks : .ascii
    return DigitPreview.render(
      images: images, predicted: predicted, actual: labels.map(Int.init), columns: columns, style: style)
  }
}
