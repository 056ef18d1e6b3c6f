import Datasets
import TensorCore

/// What a model must know of its data to be built again: kept in the model's file.
public struct SampleForm: Sendable, Equatable, Codable {
  /// Of one sample.
  public var inputShape: [Int]
  /// What is to be answered for it.
  public var target: Target
  /// The names of a table's columns.
  public var columns: [String]?

  public init(inputShape: [Int], target: Target, columns: [String]? = nil) {
    self.inputShape = inputShape
    self.target = target
    self.columns = columns
  }

  public init(_ data: RunData) {
    self.init(
      inputShape: data.plainTraining.inputShape, target: data.plainTraining.target, columns: data.columns)
  }

  var inputSize: Int { inputShape.reduce(1, *) }

  /// The numbers that a model gives for each answer: one a class, or the values.
  var outputs: Int {
    switch target {
    case .classes(let count, _), .probabilities(let count): count
    case .values(let count), .input(let count): count
    }
  }
}
