import Layers
import Optimizers
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

  /// - Parameter stepsInRun: what a cosine spans that was not given its length.
  package func makeOptimizer(stepsInRun: Int) -> Optimizer {
    let rule: UpdateRule =
      switch optimizer.name {
      case .sgd:
        .sgd(
          momentum: optimizer.momentum, dampening: optimizer.dampening, nesterov: optimizer.nesterov,
          weightDecay: optimizer.weightDecay)
      case .adam:
        .adam(
          beta1: optimizer.beta1, beta2: optimizer.beta2, epsilon: optimizer.epsilon,
          weightDecay: optimizer.weightDecay)
      case .adamW:
        .adamW(
          beta1: optimizer.beta1, beta2: optimizer.beta2, epsilon: optimizer.epsilon,
          weightDecay: optimizer.weightDecay)
      }
    return Optimizer(
      rule, learningRate: optimizer.learningRate, schedule: makeSchedule(stepsInRun: stepsInRun),
      clipNorm: optimizer.clipNorm)
  }

  private func makeSchedule(stepsInRun: Int) -> Schedule {
    switch schedule.name {
    case .constant: .constant(warmup: schedule.warmupSteps)
    case .step:
      .step(every: schedule.everySteps ?? stepsInRun, factor: schedule.factor, warmup: schedule.warmupSteps)
    case .cosine:
      .cosine(
        warmup: schedule.warmupSteps, total: schedule.totalSteps ?? stepsInRun, minimum: schedule.minimum)
    }
  }
}
