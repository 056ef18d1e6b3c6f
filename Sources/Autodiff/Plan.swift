import TensorCore

/// One instruction of a plan: an operation with the places of its operands and its result. A trivial value,
/// so that running a plan neither allocates nor counts references.
package struct Instruction: Sendable {
  package let operation: Operation
  package let result: Slot
  /// As many as the operation has; the rest repeat the first. Labels have no slot: there is one vector.
  package let operands: (Slot, Slot, Slot, Slot, Slot, Slot)
  /// Elements of the result, or of the first operand where the result is a scalar or a reduction.
  package let count: Int
  /// What the kernel calls rows, columns, depth; or outer, axis, inner.
  package let extents: (Int, Int, Int)
  /// Elements of the gradient that this instruction completes, to be checked; 0 where it completes none.
  package let checkedCount: Int
  /// The length of the gradient vector that is complete once this instruction has run: always a prefix.
  package let completedPrefix: Int
  /// Multiplications and additions, as `Operation` counts them.
  package let floatingPointOperations: Int
  /// Bytes of its operands and its result, as `Operation` counts them.
  package let bytes: Int

  /// The form of a matrix product.
  package var matrixForm: MatrixForm? {
    guard case .matrixProduct(let transposeA, let transposeB, _) = operation else { return nil }
    return MatrixForm(
      rows: extents.0, columns: extents.1, depth: extents.2, transposeA: transposeA, transposeB: transposeB)
  }

  /// Elements of scratch memory that it needs while it runs.
  var scratchCount: Int { matrixForm?.scratchCount ?? operation.scratchCount }
}

/// What a graph becomes for one batch shape: a flat list of instructions over fixed memory.
package struct Plan: Sendable {
  package let instructions: [Instruction]
  /// What each instruction is, for profiles and messages: layer, operation, shape.
  package let names: [String]
  package let layout: VectorLayout
  /// The number of samples of a pass.
  package let batch: Int
  /// The room that activations need, in elements, scratch memory included.
  package let activationCount: Int
  /// Where scratch memory begins among the activations: what an instruction needs while it runs.
  package let scratchOffset: Int
  /// What instructions keep from run to run, a place for each; one thread at a time runs a plan.
  package let primitives: PrimitiveTable
  package let resultCount: Int
  /// Multiplications and additions of one run in products, convolutions, recurrent cells and attention.
  package let floatingPointOperations: Int
  /// The slots of the graph's nodes, for inspection with `keepsActivations`.
  package let slots: [Slot?]
  /// Where the shards of a batch meet, in order: before these instructions a run stops until all shards are there.
  /// They cut the plan into segments, one more than there are of them.
  package let synchronizations: [Synchronization]

  package struct Synchronization: Sendable, Equatable {
    package let form: SynchronizationForm
    /// The instruction that has its operand and its result.
    package let instruction: Int
  }

  /// What a plan is asked to leave behind.
  package enum Output: Sendable {
    case rider(Rider, Node)
    /// What the buffer with this index is to follow.
    case statistic(Int, Node)
    /// At this offset of the results.
    case result(Node, offset: Int)
  }

  /// Forward only.
  package static func forward(
    _ graph: Graph, batch: Int, outputs: [Output], layout: VectorLayout, keepsActivations: Bool = false
  ) -> Plan {
    var graph = graph
    let numbers = graph.multiplyTables()
    return Plan(
      graph, numbers: numbers, batch: batch, outputs: outputs.map { $0.renumbered(numbers) }, gradients: [],
      layout: layout, keepsActivations: keepsActivations)
  }

  /// Forward, loss, backward: gradients go to the gradient vector, the riders behind them.
  ///
  /// - Parameter layout: the order of the parameters as an earlier plan of the same model found it; found
  ///   here where it is `nil`.
  package static func training(
    _ graph: Graph, batch: Int, loss: Node, outputs: [Output], layout: VectorLayout? = nil,
    keepsActivations: Bool = false
  ) throws(GraphError) -> Plan {
    var graph = graph
    let numbers = graph.multiplyTables()
    let loss = numbers[loss.index]
    let outputs =
      outputs.map { $0.renumbered(numbers) } + [.rider(.loss, loss)]
      + graph.statistics.map { .statistic($0.buffer, $0.node) }
    let backward = Node(graph.records.count)
    let gradients = try graph.differentiate(loss)
    graph.fuse(outputs: gradients + outputs.map(\.node))
    let order = graph.order(outputs: gradients + outputs.map(\.node))
    let found = completionOrder(graph, order: order, gradients: gradients)
    precondition(layout == nil || layout == found, "the order of the gradients does not depend on the batch")
    return Plan(
      graph, numbers: numbers, batch: batch, outputs: outputs, gradients: gradients, backward: backward,
      layout: found,
      keepsActivations: keepsActivations)
  }

  /// The parameters, in the order in which their gradients are complete.
  private static func completionOrder(_ graph: Graph, order: [Node], gradients: [Node]) -> VectorLayout {
    let position = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
    let byCompletion = graph.parameters.indices.sorted {
      (position[gradients[$0]] ?? -1, $0) < (position[gradients[$1]] ?? -1, $1)
    }
    // A buffer that nothing is recorded for stays as it is.
    let recorded = Set(graph.statistics.map(\.buffer))
    return VectorLayout(
      byCompletion.map { (graph.parameters[$0].name, graph.parameters[$0].shape) },
      buffers: graph.buffers.enumerated().map {
        ($1.name, $1.shape, recorded.contains($0) ? $1.momentum : 0)
      })
  }

  /// - Parameter given: by the number of a node in the graph that a plan was asked for, that in `source`.
  private init(
    _ source: Graph, numbers given: [Node], batch: Int, outputs: [Output], gradients: [Node],
    backward: Node? = nil, layout: VectorLayout, keepsActivations: Bool
  ) {
    var graph = source
    let wanted = gradients + outputs.map(\.node)
    if gradients.isEmpty { graph.fuse(outputs: wanted) }
    var numbers = graph.layOut(outputs: wanted)
    graph.fuseAroundConvolutions(outputs: wanted.map { numbers[$0.index] })
    if let backward, !keepsActivations {
      let moved = graph.recompute(
        inBackwardFrom: numbers[backward.index], outputs: wanted.map { numbers[$0.index] })
      numbers = numbers.map { moved[$0.index] }
    }
    let gradients = gradients.map { numbers[$0.index] }
    let order = graph.order(outputs: wanted.map { numbers[$0.index] })

    let parameterSlots = graph.parameters.map { parameter -> Slot in
      guard let entry = layout.entries.first(where: { $0.name == parameter.name }) else {
        preconditionFailure("\(parameter.name) has no place in the parameter vector")
      }
      return Slot(.parameters, entry.offset)
    }
    let bufferSlots = graph.buffers.indices.map { Slot(.parameters, layout.buffers[$0].entry.offset) }
    var destinations = zip(parameterSlots, gradients).map { (node: $1, slot: Slot(.gradients, $0.offset)) }
    destinations += outputs.map { (numbers[$0.node.index], $0.slot(layout)) }
    let placement = Placement(
      graph, order: order, parameters: parameterSlots, buffers: bufferSlots, outputs: destinations,
      keepsAll: keepsActivations)

    var emitter = Emitter(graph: graph, slots: placement.slots)
    // A tensor that several were to receive, or a part of one, reaches the others as a copy, before its memory is
    // taken again; so does a leaf.
    let copies = Dictionary(
      grouping: destinations.filter { placement.slots[$0.node.index] != $0.slot }, by: \.node.index)
    for node in order {
      emitter.emit(node)
      for copy in copies[node.index] ?? [] { emitter.copy(node, to: copy.slot) }
    }
    for destination in destinations where graph.records[destination.node.index].operation.isLeaf {
      emitter.copy(destination.node, to: destination.slot)
    }

    (instructions, names) = emitter.finish(gradientsOf: gradients.isEmpty ? nil : layout)
    self.layout = layout
    self.batch = batch
    scratchOffset = placement.activationCount
    activationCount =
      scratchOffset + (instructions.map(\.scratchCount).max() ?? 0).alignedToVector
    primitives = PrimitiveTable(count: instructions.count)
    floatingPointOperations = order.reduce(0) { $0 + graph.floatingPointOperations(of: $1) }
    resultCount = outputs.reduce(0) { $0 + $1.resultCount(source) }
    slots = given.map { placement.slots[numbers[$0.index].index] }
    synchronizations = instructions.enumerated().compactMap { index, instruction in
      guard case .synchronize(let form) = instruction.operation else { return nil }
      return Synchronization(form: form, instruction: index)
    }
  }
}

extension Plan.Output {
  var node: Node {
    switch self {
    case .rider(_, let node), .statistic(_, let node), .result(let node, _): node
    }
  }

  fileprivate func renumbered(_ numbers: [Node]) -> Plan.Output {
    switch self {
    case .rider(let rider, let node): .rider(rider, numbers[node.index])
    case .statistic(let buffer, let node): .statistic(buffer, numbers[node.index])
    case .result(let node, let offset): .result(numbers[node.index], offset: offset)
    }
  }

  func slot(_ layout: VectorLayout) -> Slot {
    switch self {
    case .rider(let rider, _): Slot(.riders, rider.rawValue)
    case .statistic(let buffer, _):
      Slot(.riders, layout.statistic(of: layout.buffers[buffer]).lowerBound)
    case .result(_, let offset): Slot(.results, offset)
    }
  }

  fileprivate func resultCount(_ graph: Graph) -> Int {
    if case .result(let node, _) = self { graph.shape(of: node).count.alignedToVector } else { 0 }
  }
}
