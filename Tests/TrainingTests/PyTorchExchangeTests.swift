// Models go to PyTorch and come back: names and shapes against Tests/Fixtures/exchange.json, files that
// PyTorch wrote, and, where LOCKSTEP_PYTHON names a Python with torch and safetensors, there and back again.
// Without it that last test is skipped: nothing else here needs PyTorch.

import Checkpoints
import FixtureSupport
import Foundation
import Layers
import Testing
import Training

private let python = ProcessInfo.processInfo.environment["LOCKSTEP_PYTHON"]

@Suite(.serialized) struct PyTorchExchangeTests {
  typealias Tensor = ExchangeFixture.Model.Tensor

  private func temporaryFolder() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/lockstep-exchange-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// Numbers or tokens for three samples, as round_trip.py has them.
  private func inputs(_ model: PeerModel) -> [Float] {
    let size = 3 * model.inputShape.reduce(1, *)
    if let vocabulary = model.vocabulary {
      return FormulaLabels(count: size, salt: 77, classes: vocabulary).values().map(Float.init)
    }
    return FormulaTensor(shape: [size], salt: 77, exponent: 0).values()
  }

  @Test(arguments: try Fixture.exchange().models)
  func `a model's tensors are those of PyTorch's state_dict`(_ expected: ExchangeFixture.Model) throws {
    let model = try PeerModel(expected.name)
    let trainer = try model.trainer(
      FormulaData(model, inputs: inputs(model)), batch: 3, optimizer: .sgd(learningRate: 0.1))
    let tensors = trainer.tensors.map { tensor in
      Tensor(
        name: tensor.description.name, shape: tensor.description.shape,
        type: tensor.description.elementType.rawValue)
    }
    #expect(tensors.count == Set(tensors).count)
    #expect(Set(tensors) == Set(expected.tensors))
  }

  /// Files in single and half precision, with counts of batches that nothing here needs.
  @Test(arguments: try Fixture.exchange().files)
  func `a model that PyTorch trained gives the same here`(_ file: ExchangeFixture.File) throws {
    let model = try PeerModel(file.name == "gpt" ? "gpt of one layer" : file.name)
    let given = try file.tokens?.values().map(Float.init) ?? #require(file.inputs).values()
    try #require(given == inputs(model))
    let trainer = try model.trainer(
      FormulaData(model, inputs: given), batch: file.batch, optimizer: .sgd(learningRate: 0.1))
    try trainer.load(from: Fixture.model(file.file))
    try compare(trainer.outputs(given), file.outputs.values)
    let saved = try SafetensorsFile(Fixture.model(file.file))
    for tensor in saved.tensors where tensor.elementType != .signed64 {
      #expect(try saved.floats(tensor.name) == Array(trainer.values(tensor.name)), "\(tensor.name)")
    }
  }

  private static let travellers = [
    "mlp-small", "lenet", "resnet20", "lstm", "gpt-tiny", "parts", "attention", "bidirectional lstm",
    "bidirectional gru", "bidirectional rnn",
  ]

  @Test(.enabled(if: python != nil, "LOCKSTEP_PYTHON names no Python with torch and safetensors"))
  func `models that were trained here work in PyTorch and come back unchanged`() throws {
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var outputs: [String: [Float]] = [:]
    for name in Self.travellers {
      let model = try PeerModel(name)
      let trainer = try model.trainer(
        FormulaData(model, inputs: inputs(model)), batch: 3, optimizer: .sgd(learningRate: 0.01))
      try trainer.fit(epochs: 3)
      try trainer.save(to: "\(folder)/\(name).safetensors")
      outputs[name] = try trainer.outputs(inputs(model))
    }
    try roundTrip(folder)
    for name in Self.travellers {
      let model = try PeerModel(name)
      let path = "\(folder)/\(name)"
      let sent = try SafetensorsFile("\(path).safetensors")
      let returned = try SafetensorsFile("\(path).again.safetensors")
      #expect(try sent.digest() == returned.digest(), "\(name)")
      for count in returned.tensors where count.elementType == .signed64 {
        #expect(try returned.integer(count.name) == 3, "\(name), \(count.name)")
      }
      let theirs = try SafetensorsFile("\(path).outputs.safetensors").floats("outputs")
      let ours = try #require(outputs[name])
      compare(ours, theirs)
      let trainer = try model.trainer(
        FormulaData(model, inputs: inputs(model)), batch: 3, optimizer: .sgd(learningRate: 0.01))
      #expect(try trainer.outputs(inputs(model)) != ours, "\(name): a new model gives the same")
      try trainer.load(from: "\(path).again.safetensors")
      #expect(try trainer.outputs(inputs(model)) == ours, "\(name)")
    }
  }

  private func roundTrip(_ folder: String) throws {
    let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "scripts/fixtures/round_trip.py")
    let process = Process()
    process.executableURL = URL(filePath: try #require(python))
    process.arguments = ["-B", script.path, folder] + Self.travellers
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "round_trip.py failed: see above")
  }

  /// Both in single precision, of sums in other orders.
  private func compare(_ ours: [Float], _ theirs: [Float]) {
    #expect(ours.count == theirs.count)
    let scale = theirs.reduce(1) { max($0, abs($1)) }
    let distance = zip(ours, theirs).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(distance <= 1e-5 * scale)
    #expect(Set(theirs).count > theirs.count / 2, "outputs that are all alike say nothing")
  }
}
