import Layers
import TensorCore

/// What a configuration's words stand for in the other modules.
extension RunConfiguration {
  /// The model for samples of so many numbers and so many classes.
  package func makeModel(inputs: Int, classes: Int) -> any Layer {
    switch model.name {
    case .mlp:
      MultilayerPerceptron(
        widths: [inputs] + model.hidden + [classes], activation: model.activation, initialValue: model.initial
      )
    }
  }

  package var averagingStrategy: AveragingStrategy {
    switch averaging.strategy {
    case .ordered: .ordered
    case .allreduce: .allreduce(bucketBytes: averaging.bucketBytes)
    }
  }
}
