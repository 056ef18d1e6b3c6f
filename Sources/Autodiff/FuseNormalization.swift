import TensorCore

extension Graph {
  /// add(normalize(…), residual) → normalize(…) with the residual added, where nothing else reads what lies between.
  mutating func fuseSumAfterNormalization(at index: Int, _ users: [Int]) {
    guard case .add = records[index].operation else { return }
    let operands = records[index].operands
    for (source, residual) in [(operands[0], operands[1]), (operands[1], operands[0])] {
      guard users[source.index] == 1, case .batchNormalization(var form) = records[source.index].operation,
        !form.appliesReLU, !form.addsResidual
      else { continue }
      form.addsResidual = true
      records[index].operation = .batchNormalization(form)
      records[index].operands = records[source.index].operands + [residual]
      return
    }
  }

  /// relu(normalize(…)) → normalize(…) with ReLU, where nothing else reads what lies between.
  mutating func fuseReLUAfterNormalization(at index: Int, _ users: [Int]) {
    guard case .activation(.relu) = records[index].operation,
      let source = records[index].operands.first?.index, users[source] == 1,
      case .batchNormalization(var form) = records[source].operation, !form.appliesReLU
    else { return }
    form.appliesReLU = true
    records[index].operation = .batchNormalization(form)
    records[index].operands = records[source].operands
  }

  /// add(g, the gradient that a row normalization passes on) → that gradient, with g added: what is normalized beside a
  /// residual connection gets gradients from both.
  mutating func fuseSumIntoNormalizationGradient(at index: Int, _ users: [Int]) {
    guard case .add = records[index].operation else { return }
    let operands = records[index].operands
    for (gradient, other) in [(operands[1], operands[0]), (operands[0], operands[1])] where gradient != other
    {
      guard case .rowNormalizationInputGradient(var form) = records[gradient.index].operation,
        !form.addsGradient, users[gradient.index] == 1
      else { continue }
      form.addsGradient = true
      records[index].operation = .rowNormalizationInputGradient(form)
      records[index].operands = records[gradient.index].operands + [other]
      return
    }
  }

  /// What reads activationGradient(y, dy), where y is such a fused result, reads dy: it finds again, from x,
  /// where the ReLU let values through.
  mutating func fuseReLUGradientOfNormalization(at index: Int) {
    let record = records[index]
    // x, statistics, weight and bias begin here; and where dy is.
    let (first, position): (Int, Int)
    var form: BatchNormalizationForm
    switch record.operation {
    case .batchNormalizationSums(let sums): (form, first, position) = (sums, 0, 4)
    case .batchNormalizationGradient(let gradient), .frozenBatchNormalizationGradient(let gradient):
      (form, first, position) = (gradient, 1, 0)
    default: return
    }
    let arriving = records[record.operands[position].index]
    guard !form.appliesReLU, case .activationGradient(.relu) = arriving.operation,
      case .batchNormalization(let forward) = records[arriving.operands[0].index].operation,
      forward.appliesReLU,
      records[arriving.operands[0].index].operands == Array(record.operands[first..<first + 4])
    else { return }
    form.appliesReLU = true
    records[index].operands[position] = arriving.operands[1]
    switch record.operation {
    case .batchNormalizationSums: records[index].operation = .batchNormalizationSums(form)
    case .batchNormalizationGradient: records[index].operation = .batchNormalizationGradient(form)
    default: records[index].operation = .frozenBatchNormalizationGradient(form)
    }
  }
}
