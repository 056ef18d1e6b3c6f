import TensorCore

/// The gradient of max pooling gives a window's gradient to one element, the window's largest, which is also the
/// pooling's result. What would be done to that gradient afterwards is done to the windows' before: there are fewer.
extension Graph {
  /// reluGradient(x, poolGradient(x, dy)) → poolGradient(x, reluGradient(pool(x), dy)), where nothing else reads what
  /// lies between.
  mutating func moveReLUGradientBeforePoolGradient(at index: Int, _ users: [Int]) {
    let record = records[index]
    guard case .activationGradient(.relu) = record.operation else { return }
    let (x, source) = (record.operands[0], record.operands[1].index)
    guard users[source] == 1, case .maxPoolGradient(let form) = records[source].operation,
      records[source].operands[0] == x,
      let pooled = records[..<source].indices.first(where: {
        users[$0] > 0 && records[$0].operation == .pool(form) && records[$0].operands == [x]
      })
    else { return }
    let dy = records[source].operands[1]
    records[source] = Record(
      operation: .activationGradient(.relu), operands: [Node(pooled), dy], shape: shape(of: dy),
      layer: record.layer)
    records[index].operation = .maxPoolGradient(form)
    records[index].operands = [x, Node(source)]
  }

  /// sumOfChannels(poolGradient(x, dy)) → sumOfChannels(dy)
  mutating func takeSumBeforePoolGradient(at index: Int) {
    guard case .sumOfChannels = records[index].operation,
      case .maxPoolGradient = records[records[index].operands[0].index].operation
    else { return }
    let dy = records[records[index].operands[0].index].operands[1]
    records[index].operation = .sumOfChannels(ImageTensorForm(shape(of: dy)))
    records[index].operands = [dy]
  }
}
