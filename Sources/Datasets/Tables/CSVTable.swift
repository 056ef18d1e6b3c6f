import TensorCore

/// A table of numbers from a CSV file, with a class or some values for each row.
public struct CSVTable: Sendable {
  /// Inputs of shape [columns], a sample a row.
  public let data: TensorDataset
  /// The names of the input columns, in the order of a sample's numbers; numbers from 1 where the file has no
  /// header.
  public let inputNames: [String]
  /// The names of the value columns; empty where there is a label column.
  public let valueNames: [String]

  /// Reads a file, gzipped or not.
  ///
  /// Classes are the different texts of the label column, sorted: as numbers where all are whole numbers,
  /// else by their bytes. With `training`, the classes are its classes, and the columns its columns, found
  /// by name, so that a second file may have them in another order.
  ///
  /// Throws, naming row (counted from 1, with the header) and column, where a number is missing, cannot be
  /// read or is not finite, a row has too many or too few fields, quotes are wrong, or a class is unknown;
  /// and where a column does not exist, no rows follow, or all samples are of one class.
  public static func load(
    at path: String, columns: CSVColumns, like training: CSVTable? = nil
  ) throws(DatasetError) -> CSVTable {
    var columns = columns
    if let training { columns.inputs = training.inputNames }
    let (rows, names) = try rows(at: path, columns: columns)
    return CSVTable(
      data: try rows.dataset(path: path, classNames: training?.data.classNames),
      inputNames: rows.places.inputs.map { names[$0] }, valueNames: rows.places.values.map { names[$0] })
  }

  /// Reads the columns to predict from alone; their names are those of `CSVTable.inputNames`. Each row's value
  /// to predict is 0. Throws as `load` does.
  public static func loadInputs(
    at path: String, named inputs: [String], hasHeader: Bool = true, delimiter: Character = ","
  ) throws(DatasetError) -> TensorDataset {
    let columns = CSVColumns(inputs: inputs, hasHeader: hasHeader, delimiter: delimiter)
    return try rows(at: path, columns: columns).rows.inputsAlone(path: path)
  }

  private static func rows(
    at path: String, columns: CSVColumns
  ) throws(DatasetError) -> (rows: Rows, names: [String]) {
    var reader = try CSVReader(path, delimiter: columns.delimiter)
    guard try reader.next() else {
      throw DatasetError(
        at: path, expected: "rows of text", found: "none", remedy: "Name a CSV file with samples in it.")
    }
    let numbers = reader.fields.indices.map { String($0 + 1) }
    let names = try columns.hasHeader ? header(reader) : numbers
    let places = try columns.places(in: names, path: path)
    var rows = Rows(places: places, names: names)
    var hasRow = true
    if columns.hasHeader { hasRow = try reader.next() }
    while hasRow {
      try rows.add(reader)
      hasRow = try reader.next()
    }
    return (rows, names)
  }

  private static func header(_ reader: CSVReader) throws(DatasetError) -> [String] {
    try reader.fields.indices.map { (column) throws(DatasetError) in
      if let name = reader.text(column) { return name }
      throw DatasetError(
        at: "\(reader.path), row 1, column \(column + 1)", expected: "text in UTF-8",
        found: "other bytes", remedy: "Save the table as CSV in UTF-8.")
    }
  }
}

/// What has been read of a table.
private struct Rows {
  let places: CSVColumns.Places
  let names: [String]
  private let inputs = GrowingNumbers<Float>()
  private let values = GrowingNumbers<Float>()
  private let weights = GrowingNumbers<Float>()
  /// Of each sample: the number of its class, in the order in which classes were found.
  private let labels = GrowingNumbers<Int32>()
  private var classes: [String: Int32] = [:]
  /// The row in which each class was found first.
  private var firstRows: [Int] = []
  private var count = 0

  /// Bounds what labels can cost that are all different.
  private static let mostClasses = 1 << 17

  init(places: CSVColumns.Places, names: [String]) {
    self.places = places
    self.names = names
  }

  mutating func add(_ reader: CSVReader) throws(DatasetError) {
    guard reader.fields.count == names.count else {
      throw DatasetError(
        at: "\(reader.path), row \(reader.row)", expected: "\(names.count) fields, as in the first row",
        found: "\(reader.fields.count)",
        remedy: "Correct the row; fields that hold the delimiter need quotes around them.")
    }
    for column in places.inputs { inputs.append(try number(reader, column)) }
    for column in places.values { values.append(try number(reader, column)) }
    if let column = places.weight {
      let weight = try number(reader, column)
      guard weight >= 0 else { throw wrong(reader, column, "a weight of at least 0", "\(weight)") }
      weights.append(weight)
    }
    if let column = places.label {
      guard let name = reader.text(column), !name.isEmpty else {
        throw wrong(reader, column, "the name of a class in UTF-8", "none")
      }
      if let number = classes[name] {
        labels.append(number)
      } else {
        guard classes.count < Self.mostClasses else {
          throw wrong(reader, column, "at most \(Self.mostClasses) different classes", "more")
        }
        let number = Int32(classes.count)
        classes[name] = number
        firstRows.append(reader.row)
        labels.append(number)
      }
    }
    count += 1
  }

  private func number(_ reader: CSVReader, _ column: Int) throws(DatasetError) -> Float {
    if !reader.fields[column].hasDoubledQuotes, let number = PlainDecimal.float(reader.bytes(column)) {
      return number
    }
    let text = reader.text(column)
    if let text, let number = Float(text), number.isFinite { return number }
    throw wrong(
      reader, column, "a finite number",
      text.map { $0.isEmpty ? "nothing" : "'\($0.prefix(40))'" } ?? "other bytes")
  }

  private func wrong(
    _ reader: CSVReader, _ column: Int, _ expected: String, _ found: String
  ) -> DatasetError {
    DatasetError(
      at: "\(reader.path), row \(reader.row), column \(column + 1) ('\(names[column])')",
      expected: expected, found: found,
      remedy: "Correct the field, take the row out, or leave the column out of the inputs.")
  }

  func inputsAlone(path: String) throws(DatasetError) -> TensorDataset {
    try requireRows(path)
    return try TensorDataset(
      inputs: StoredInputs(inputs.stored), inputShape: [places.inputs.count],
      values: GrowingNumbers(zeros: count).stored, place: path)
  }

  private func requireRows(_ path: String) throws(DatasetError) {
    guard count > 0 else {
      throw DatasetError(
        at: path, expected: "rows of samples", found: "none behind the header",
        remedy: "Name a file with samples in it.")
    }
  }

  func dataset(path: String, classNames known: [String]?) throws(DatasetError) -> TensorDataset {
    try requireRows(path)
    let shape = [places.inputs.count]
    guard places.label != nil else {
      return try TensorDataset(
        inputs: StoredInputs(inputs.stored), inputShape: shape, values: values.stored,
        valuesPerSample: places.values.count, weights: weights.stored, place: path)
    }
    let names = known ?? Self.sorted(Array(classes.keys))
    guard known != nil || names.count >= 2 else {
      throw DatasetError(
        at: path, expected: "samples of at least two classes", found: "only '\(names[0])' as label",
        remedy: "Name the column that holds the classes: --set data.label=NAME.")
    }
    var numbers = [Int32](repeating: 0, count: classes.count)
    let order = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, Int32($0)) })
    for (name, index) in classes {
      guard let number = order[name] else {
        throw DatasetError(
          at: "\(path), row \(firstRows[Int(index)])",
          expected: "one of the \(names.count) classes of the training data", found: "'\(name)'",
          remedy: "Correct the label, or give the class samples to train on.")
      }
      numbers[Int(index)] = number
    }
    labels.replaceAll { numbers[Int($0)] }
    return try TensorDataset(
      inputs: StoredInputs(inputs.stored), inputShape: shape, labels: labels.stored, classNames: names,
      weights: weights.stored, place: path)
  }

  private static func sorted(_ names: [String]) -> [String] {
    let numbers = names.compactMap { Int($0) }
    if numbers.count == names.count, Set(numbers).count == names.count {
      return zip(numbers, names).sorted { $0.0 < $1.0 }.map(\.1)
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
