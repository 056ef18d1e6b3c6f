import Autodiff

/// A layer table as people read it.
public struct LayerTableText {
  public let text: String

  public init(_ table: LayerTable, inputShape: [Int]) {
    func shape(_ dimensions: [Int]) -> String {
      dimensions.isEmpty ? "1" : dimensions.map(String.init).joined(separator: " × ")
    }
    var lines = [["layer", "output", "parameters", "operations", "memory"]]
    lines.append(["input", shape(inputShape), "", "", ""])
    for row in table.rows {
      // A part that only holds parameters, for others to use, gives nothing itself.
      let isUsed = row.floatingPointOperations > 0 || row.activationBytes > 0 || !row.outputShape.isEmpty
      lines.append([
        row.layer, isUsed ? shape(row.outputShape) : "",
        row.parameterCount == 0 ? "" : "\(row.parameterCount)",
        row.floatingPointOperations == 0 ? "" : NumberText.count(row.floatingPointOperations),
        NumberText.bytes(Double(row.activationBytes)),
      ])
    }
    lines.append([
      "all", "", "\(table.parameterCount)", NumberText.count(table.floatingPointOperations),
      NumberText.bytes(Double(table.activationBytes)),
    ])
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    text = lines.map { line in
      line.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column < 2 ? cell + space : space + cell
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
