import TensorCore

extension Graph {
  /// Decides how images lie in memory: in blocks of channels between convolutions, and plain wherever an
  /// operation knows only that. Reorders are written at the borders, one for each tensor and layout.
  ///
  /// Convolutions want blocks wherever their channels fill them; what works on any layout, as element-wise
  /// arithmetic, follows its operands. Parameters, their gradients and everything that a plan is asked for
  /// are plain. Node numbers change: the result holds the new number of each node, in plain layout where
  /// it is one of `outputs`.
  package mutating func layOut(outputs: [Node], block: Int = ActivationLayout.block) -> [Node] {
    guard block > 0, records.contains(where: { $0.operation.isConvolution }) else {
      return records.indices.map(Node.init)
    }
    var pass = LayoutPass(self)
    for index in records.indices { pass.write(records[index], block) }
    let numbers = pass.finish(outputs: outputs)
    replaceRecords(pass.records, numbers: numbers)
    return numbers
  }
}

/// A graph that is written anew, with each image in its layout.
private struct LayoutPass {
  private(set) var records: [Graph.Record] = []
  private let graph: Graph
  /// By the old number: the new one.
  private var numbers: [Node] = []
  /// By the new number: the block in which a tensor's channels lie, 0 for plain.
  private var blocks: [Int] = []
  /// Tensors that are there in a second layout too.
  private var reordered: [Reordered: Node] = [:]

  private struct Reordered: Hashable {
    let node: Node
    let block: Int
  }

  init(_ graph: Graph) { self.graph = graph }

  mutating func write(_ record: Graph.Record, _ block: Int) {
    var record = record
    let operands = record.operands.map { numbers[$0.index] }
    let choice = record.operation.laidOut(
      in: block, given: operands.map { blocks[$0.index] }, isImage: record.shape.rank == 4)
    record.operation = choice.operation
    record.operands = zip(operands, choice.operands).map { reorder($0, to: $1, for: record.layer) }
    numbers.append(append(record, block: choice.result))
  }

  /// Brings the outputs into plain layout.
  mutating func finish(outputs: [Node]) -> [Node] {
    for output in Set(outputs).sorted(by: { $0.index < $1.index }) {
      let node = numbers[output.index]
      numbers[output.index] = reorder(node, to: 0, for: records[node.index].layer)
    }
    return numbers
  }

  private mutating func reorder(_ node: Node, to block: Int, for layer: String) -> Node {
    let shape = records[node.index].shape
    // Images of one pixel lie the same way in either layout.
    guard blocks[node.index] != block, shape[2] * shape[3] > 1 else { return node }
    let key = Reordered(node: node, block: block)
    if let existing = reordered[key] { return existing }
    let form = ReorderForm(
      batch: shape[0], channels: shape[1], size: Size2D(height: shape[2], width: shape[3]),
      fromBlock: blocks[node.index], toBlock: block)
    let result = append(
      Graph.Record(operation: .reorder(form), operands: [node], shape: shape, layer: layer), block: block)
    reordered[key] = result
    return result
  }

  private mutating func append(_ record: Graph.Record, block: Int) -> Node {
    records.append(record)
    blocks.append(block)
    return Node(records.count - 1)
  }
}

extension Operation {
  fileprivate var isConvolution: Bool {
    switch self {
    case .convolution, .convolutionInputGradient, .convolutionWeightGradient: true
    default: false
    }
  }

  /// The operation on images in blocks: what it becomes, the block that it wants for each operand, and that
  /// of its result; 0 is plain.
  ///
  /// - Parameters:
  ///   - block: that of this processor.
  ///   - given: the blocks in which the operands lie now.
  ///   - isImage: whether the result has the axes of images.
  fileprivate func laidOut(
    in block: Int, given: [Int], isImage: Bool
  ) -> (operation: Operation, operands: [Int], result: Int) {
    switch self {
    case .convolution(let form):
      let form = form.laidOut(in: block)
      return (
        .convolution(form), [form.inputBlock, 0, 0].prefix(given.count).map { $0 }, form.outputBlock
      )
    case .convolutionInputGradient(let form):
      let form = form.laidOut(in: block)
      return (.convolutionInputGradient(form), [form.outputBlock, 0], form.inputBlock)
    case .convolutionWeightGradient(let form):
      let form = form.laidOut(in: block)
      return (.convolutionWeightGradient(form), [form.inputBlock, form.outputBlock], 0)

    case .addToChannels(var form):
      form.block = given[0]
      return (.addToChannels(form), [form.block, 0], form.block)
    case .sumOfChannels(var form):
      form.block = given[0]
      return (.sumOfChannels(form), [form.block], 0)

    // Element by element: all operands and the result have one shape, and may have any layout.
    case .activation, .activationGradient, .add, .multiply, .scale:
      let shared = isImage ? given.max() ?? 0 : 0
      return (self, given.map { _ in shared }, shared)

    default: return laidOutAsGiven(given, block: block) ?? (self, given.map { _ in 0 }, 0)
    }
  }
}

extension ConvolutionForm {
  /// Blocks where the channels fill them, and where groups do not cut through a block.
  fileprivate func laidOut(in block: Int) -> ConvolutionForm {
    var form = self
    let isDepthwise = groups == inputChannels && groups == outputChannels
    let fills = { (channels: Int) in
      channels % block == 0 && (groups == 1 || isDepthwise || channels / groups % block == 0)
    }
    // Grouped kernels want both sides alike.
    let (fillsInput, fillsOutput) = (fills(inputChannels), fills(outputChannels))
    form.inputBlock = fillsInput && (groups == 1 || fillsOutput) ? block : 0
    form.outputBlock = fillsOutput && (groups == 1 || fillsInput) ? block : 0
    return form
  }
}
