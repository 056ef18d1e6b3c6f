import TensorCore

/// What is done around convolutions while their tiles are in registers, where the kernel for a form offers it:
/// Winograd's. Which one runs depends on the layout, so this comes behind `layOut`.
extension Graph {
  /// Moves sums and gradients of ReLU into the convolution that they follow, and normalizations into those that read
  /// them. Node numbers stay, as in `fuse`.
  package mutating func fuseAroundConvolutions(outputs: [Node]) {
    let users = countUsers(from: outputs)
    for index in records.indices where users[index] > 0 {
      switch records[index].operation {
      case .add: fuseSumOfGradients(at: index, users)
      case .activationGradient(.relu): fuseReLUGradient(at: index, users)
      default: break
      }
    }
    fuseNormalizations(outputs: outputs)
  }

  /// add(inputGradient(dy, weight), other) → inputGradient(dy, weight, other): two branches of the model meet.
  private mutating func fuseSumOfGradients(at index: Int, _ users: [Int]) {
    let operands = records[index].operands
    // Later nodes first: what they read is more likely to be in cache.
    for (source, other) in [(operands[1], operands[0]), (operands[0], operands[1])] {
      guard users[source.index] == 1, var form = finishableForm(of: source), !form.addsToGradient else {
        continue
      }
      form.addsToGradient = true
      records[index].operation = .convolutionInputGradient(form)
      records[index].operands = records[source.index].operands + [other]
      return
    }
  }

  /// reluGradient(y, inputGradient(…)) → inputGradient(…, y)
  private mutating func fuseReLUGradient(at index: Int, _ users: [Int]) {
    let (y, source) = (records[index].operands[0], records[index].operands[1])
    guard users[source.index] == 1, var form = finishableForm(of: source) else { return }
    form.stopsAtReLU = true
    records[index].operation = .convolutionInputGradient(form)
    records[index].operands = records[source.index].operands + [y]
  }

  /// The form of a gradient whose kernel can do more to its result, and does not stop it at a ReLU yet.
  private func finishableForm(of node: Node) -> ConvolutionForm? {
    guard case .convolutionInputGradient(let form) = records[node.index].operation,
      form.usesWinograd(.inputGradient), !form.stopsAtReLU
    else { return nil }
    return form
  }

  /// convolution(normalize(x, …), weight) → convolution(x, weight, …), and so the gradient of the weights: a
  /// normalization that only such convolutions read is made anew by each of them, and never lies in memory.
  private mutating func fuseNormalizations(outputs: [Node]) {
    var readers = [[Int]](repeating: [], count: records.count)
    let users = countUsers(from: outputs)
    for index in records.indices where users[index] > 0 {
      for operand in records[index].operands { readers[operand.index].append(index) }
    }
    for index in records.indices where users[index] > 0 && users[index] == readers[index].count {
      guard case .batchNormalization(let form) = records[index].operation, !form.addsResidual,
        readers[index].allSatisfy({ normalizes(at: $0, operand: Node(index)) })
      else { continue }
      for reader in readers[index] { normalizeOperand(of: reader, form, records[index].operands) }
    }
  }

  /// Whether a convolution's kernel can normalize this operand, its first, and has it as no other.
  private func normalizes(at index: Int, operand: Node) -> Bool {
    let record = records[index]
    guard record.operands.first == operand, !record.operands.dropFirst().contains(operand) else {
      return false
    }
    switch record.operation {
    case .convolution(let form): return form.usesWinograd(.forward)
    case .convolutionWeightGradient(let form): return form.usesWinograd(.weightGradient)
    default: return false
    }
  }

  private mutating func normalizeOperand(
    of index: Int, _ normalization: BatchNormalizationForm, _ operands: [Node]
  ) {
    func normalized(_ form: ConvolutionForm) -> ConvolutionForm {
      var form = form
      form.normalization = .init(epsilon: normalization.epsilon, appliesReLU: normalization.appliesReLU)
      return form
    }
    switch records[index].operation {
    case .convolution(let form): records[index].operation = .convolution(normalized(form))
    case .convolutionWeightGradient(let form):
      records[index].operation = .convolutionWeightGradient(normalized(form))
    default: preconditionFailure("only convolutions normalize what they read")
    }
    records[index].operands[0] = operands[0]
    records[index].operands += operands[1...3]
  }
}
