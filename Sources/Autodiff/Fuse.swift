import TensorCore

extension Graph {
  /// Moves a bias, an activation and a residual into the matrix product or the convolution that they follow, where
  /// nothing else reads what lies between. An activation whose gradient is told from its input is fused only where there
  /// is no backward pass: that gradient is another reader of what lies between.
  ///
  /// Node numbers stay; what was fused away is no longer reachable from `outputs`.
  package mutating func fuse(outputs: [Node]) {
    let users = countUsers(from: outputs)
    for index in records.indices where users[index] > 0 {
      switch records[index].operation {
      case .add:
        fuseBias(at: index, users)
        fuseResidual(at: index, users)
        fuseSumIntoNormalizationGradient(at: index, users)
        fuseSumAfterNormalization(at: index, users)
      case .addToChannels: fuseBiasOfConvolution(at: index, users)
      case .activation(let activation):
        fuseActivation(activation, at: index, users)
        fuseReLUAfterNormalization(at: index, users)
      case .batchNormalizationSums, .batchNormalizationGradient, .frozenBatchNormalizationGradient:
        fuseReLUGradientOfNormalization(at: index)
      case .activationGradient: moveReLUGradientBeforePoolGradient(at: index, users)
      case .sumOfChannels: takeSumBeforePoolGradient(at: index)
      default: break
      }
    }
  }

  /// add(product(a, b), broadcast(bias, axis 0)) → product(a, b, bias)
  private mutating func fuseBias(at index: Int, _ users: [Int]) {
    let operands = records[index].operands
    guard case .matrixProduct(let transposeA, let transposeB, .none) = records[operands[0].index].operation,
      users[operands[0].index] == 1,
      case .broadcast(axis: 0, _) = records[operands[1].index].operation,
      records[operands[1].index].shape == records[index].shape
    else { return }
    let bias = records[operands[1].index].operands[0]
    guard shape(of: bias).rank == 1 else { return }
    records[index].operation = .matrixProduct(
      transposeA: transposeA, transposeB: transposeB, epilogue: .init(addsBias: true))
    records[index].operands = records[operands[0].index].operands + [bias]
  }

  /// add(x, product(…)) → product(…, x), where x is there before the product is made; the sum becomes a view of it.
  private mutating func fuseResidual(at index: Int, _ users: [Int]) {
    guard case .add = records[index].operation else { return }
    let operands = records[index].operands
    for (term, other) in [(operands[1], operands[0]), (operands[0], operands[1])] {
      var (source, residual) = (term.index, other)
      while case .view(offset: 0) = records[source].operation, users[source] == 1 {
        source = records[source].operands[0].index
      }
      while case .view(offset: 0) = records[residual.index].operation {
        residual = records[residual.index].operands[0]
      }
      guard case .matrixProduct(let transposeA, let transposeB, var epilogue) = records[source].operation,
        epilogue.activation == nil, !epilogue.addsResidual, users[source] == 1, residual.index < source,
        records[source].shape.count == records[index].shape.count
      else { continue }
      epilogue.addsResidual = true
      records[source].operation = .matrixProduct(
        transposeA: transposeA, transposeB: transposeB, epilogue: epilogue)
      records[source].operands.append(residual)
      records[index].operation = .view(offset: 0)
      records[index].operands = [Node(source)]
      return
    }
  }

  /// addToChannels(convolution(x, weight), bias) → convolution(x, weight, bias)
  private mutating func fuseBiasOfConvolution(at index: Int, _ users: [Int]) {
    let operands = records[index].operands
    guard case .convolution(var form) = records[operands[0].index].operation, !form.addsBias,
      !form.appliesReLU, users[operands[0].index] == 1
    else { return }
    form.addsBias = true
    records[index].operation = .convolution(form)
    records[index].operands = records[operands[0].index].operands + [operands[1]]
  }

  /// activation(product(…)) → product(…, activation); ReLU into a convolution too.
  private mutating func fuseActivation(_ activation: Activation, at index: Int, _ users: [Int]) {
    let source = records[index].operands[0].index
    if case .convolution(var form) = records[source].operation, activation == .relu, !form.appliesReLU,
      users[source] == 1
    {
      form.appliesReLU = true
      records[index].operation = .convolution(form)
      records[index].operands = records[source].operands
      return
    }
    guard case .matrixProduct(let transposeA, let transposeB, var epilogue) = records[source].operation,
      epilogue.activation == nil, users[source] == 1
    else { return }
    epilogue.activation = activation
    records[index].operation = .matrixProduct(
      transposeA: transposeA, transposeB: transposeB, epilogue: epilogue)
    records[index].operands = records[source].operands
  }

  /// How many live operands, and outputs, each node serves as. 0: not needed.
  func countUsers(from outputs: [Node]) -> [Int] {
    var users = [Int](repeating: 0, count: records.count)
    for output in outputs { users[output.index] += 1 }
    for index in records.indices.reversed() where users[index] > 0 {
      for operand in records[index].operands { users[operand.index] += 1 }
    }
    return users
  }

  /// The nodes that `outputs` need and that compute something, each behind its operands. Nodes are already
  /// in such an order, and the backward pass was written in the order in which gradients become complete.
  package func order(outputs: [Node]) -> [Node] {
    let users = countUsers(from: outputs)
    return records.indices.filter { users[$0] > 0 && !records[$0].operation.isLeaf }.map(Node.init)
  }
}
