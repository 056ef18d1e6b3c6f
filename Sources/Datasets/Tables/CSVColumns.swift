import TensorCore

/// Which columns of a CSV file are what.
///
/// A column is named as in the header, or by its number, counted from 1. Exactly one of `label` and `values`
/// is given, to learn from; neither, but `inputs`, to predict.
public struct CSVColumns: Sendable, Equatable {
  /// The column with each sample's class: a word or a number.
  public var label: String?
  /// The columns with the numbers to predict.
  public var values: [String]
  /// The column that says how much each sample counts.
  public var weight: String?
  /// The columns to predict from; nil: all that are nothing else.
  public var inputs: [String]?
  /// Whether the first row holds the columns' names.
  public var hasHeader: Bool
  /// What stands between fields; one ASCII character.
  public var delimiter: Character

  public init(
    label: String? = nil, values: [String] = [], weight: String? = nil, inputs: [String]? = nil,
    hasHeader: Bool = true, delimiter: Character = ","
  ) {
    self.label = label
    self.values = values
    self.weight = weight
    self.inputs = inputs
    self.hasHeader = hasHeader
    self.delimiter = delimiter
  }

  /// Columns by their places in a row.
  struct Places {
    var label: Int?
    var values: [Int] = []
    var weight: Int?
    var inputs: [Int] = []
  }

  /// Finds the columns in a file whose columns are called `names`. Throws where one does not exist, is not
  /// the only one of its name, is named for two purposes, or where there is nothing to predict or to predict
  /// from.
  func places(in names: [String], path: String) throws(DatasetError) -> Places {
    // For predictions nothing but inputs are named.
    guard (label != nil) != !values.isEmpty || inputs != nil && label == nil && values.isEmpty else {
      throw DatasetError(
        at: path, expected: "either a label column or value columns to learn",
        found: label == nil ? "neither" : "both",
        remedy: "Name one: --set data.label=NAME or --set data.values=NAME. The columns are "
          + Self.list(names) + ".")
    }
    var places = Places()
    var taken: [Int: String] = [:]
    let found = hasHeader ? Dictionary(grouping: names.indices) { names[$0] } : [:]
    func take(_ column: String, as purpose: String) throws(DatasetError) -> Int {
      let place = try self.place(of: column, in: names, found: found[column] ?? [], path: path)
      if let other = taken.updateValue(purpose, forKey: place) {
        throw DatasetError(
          at: path, expected: "a column for each purpose",
          found: "column '\(names[place])' as \(other) and as \(purpose)",
          remedy: "Name it for one of them only.")
      }
      return place
    }
    if let label { places.label = try take(label, as: "label") }
    for value in values { places.values.append(try take(value, as: "value")) }
    if let weight { places.weight = try take(weight, as: "weight") }
    if let inputs {
      for input in inputs { places.inputs.append(try take(input, as: "input")) }
    } else {
      places.inputs = names.indices.filter { taken[$0] == nil }
    }
    guard !places.inputs.isEmpty else {
      throw DatasetError(
        at: path, expected: "at least one column to predict from", found: "none",
        remedy: "The columns are \(Self.list(names)).")
    }
    return places
  }

  /// - Parameter found: the places of all columns of this name.
  private func place(
    of column: String, in names: [String], found: [Int], path: String
  ) throws(DatasetError) -> Int {
    if found.count == 1 { return found[0] }
    if found.isEmpty, let number = Int(column), 1...names.count ~= number { return number - 1 }
    throw DatasetError(
      at: path,
      expected: found.isEmpty ? "a column '\(column)'" : "a single column '\(column)'",
      found: found.isEmpty
        ? "\(names.count) columns: \(Self.list(names))" : "the columns \(found.prefix(20).map { $0 + 1 })",
      remedy: found.isEmpty
        ? "Name a column as the header does, or by its number from 1." : "Name it by its number.")
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) more" : "")
  }
}
