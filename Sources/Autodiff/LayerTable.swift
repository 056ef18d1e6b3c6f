import TensorCore

/// What each layer of a model gives, holds and costs: the rows of a table.
public struct LayerTable: Sendable {
  public struct Row: Sendable, Equatable {
    /// The layer's path, as `blocks.0.at`.
    public let layer: String
    /// Of its result, without the batch.
    public fileprivate(set) var outputShape: [Int]
    /// Trained values.
    public fileprivate(set) var parameterCount = 0
    /// Of one sample's forward pass, multiplications and additions counted apart.
    public fileprivate(set) var floatingPointOperations = 0
    /// Of one sample's results in the forward pass.
    public fileprivate(set) var activationBytes = 0
  }

  public private(set) var rows: [Row] = []

  /// - Parameter graph: a forward pass over `batch` samples.
  package init(_ graph: Graph, batch: Int) {
    var places: [String: Int] = [:]
    func place(_ layer: String) -> Int {
      if let known = places[layer] { return known }
      rows.append(Row(layer: layer, outputShape: []))
      places[layer] = rows.count - 1
      return rows.count - 1
    }
    for (index, record) in graph.records.enumerated() {
      if case .parameter = record.operation {
        rows[place(record.layer)].parameterCount += record.shape.count
        continue
      }
      if record.operation.isLeaf { continue }
      let row = place(record.layer)
      rows[row].outputShape = Self.ofOneSample(record.shape.dimensions, batch)
      rows[row].floatingPointOperations += graph.floatingPointOperations(of: Node(index)) / batch
      if case .view = record.operation { continue }
      rows[row].activationBytes += MemoryLayout<Float>.stride * record.shape.count / batch
    }
  }

  /// Rows of all samples behind one another become those of one sample.
  private static func ofOneSample(_ shape: [Int], _ batch: Int) -> [Int] {
    guard let rows = shape.first, rows > batch, rows % batch == 0 else { return Array(shape.dropFirst()) }
    return [rows / batch] + shape.dropFirst()
  }

  public var parameterCount: Int { rows.reduce(0) { $0 + $1.parameterCount } }
  public var floatingPointOperations: Int { rows.reduce(0) { $0 + $1.floatingPointOperations } }
  public var activationBytes: Int { rows.reduce(0) { $0 + $1.activationBytes } }
}
