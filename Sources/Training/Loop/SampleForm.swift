import Datasets
import TensorCore

/// What a model must know of its data to be built again: kept in the model's file.
public struct SampleForm: Sendable, Equatable, Codable {
  /// Of one sample.
  public var inputShape: [Int]
  /// What is to be answered for it.
  public var target: Target

  public init(inputShape: [Int], target: Target) {
    self.inputShape = inputShape
    self.target = target
  }

  public init(_ data: any Dataset) { self.init(inputShape: data.inputShape, target: data.target) }

  var inputSize: Int { inputShape.reduce(1, *) }

  /// The numbers that a model gives for each answer: one a class, or the values.
  var outputs: Int {
    switch target {
    case .classes(let count, _), .probabilities(let count): count
    case .values(let count), .input(let count): count
    }
  }
}

