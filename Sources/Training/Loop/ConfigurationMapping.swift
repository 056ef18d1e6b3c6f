/// What a configuration's words stand for in the other modules.
extension RunConfiguration {
  package var averagingStrategy: AveragingStrategy {
    switch averaging.strategy {
    case .auto: .auto
    case .shared: .shared
    case .ordered: .ordered
    case .allreduce: .allreduce(bucketBytes: averaging.bucketBytes)
    case .periodic: .periodic(averaging.localSteps)
    }
  }
}
