import Autodiff
import Datasets
import Layers
import TensorCore

/// Writes text with a trained language model, a token at a time.
public final class TextGenerator {
  private let tokenizer: any Tokenizer
  private let parameters: Arena<Float>
  private let plan: Plan
  private let context: Int
  private let inputs: Arena<Float>
  private let activations: Arena<Float>
  private let results: Arena<Float>
  private let riders = Arena<Float>(count: Rider.room)

  /// Throws where `model` was not trained on text.
  public init(_ model: TrainedModel) throws {
    guard let tokenizer = model.tokenizer, let context = model.objective.inputShape.dimensions.first else {
      throw TrainingError(
        at: "model.name \(model.configuration.model.name.rawValue)", expected: "a model of text",
        found: "one that was trained on \(model.configuration.data.name.rawValue)",
        remedy: "Train a language model first: lockstep train gpt")
    }
    if model.configuration.model.layers.contains(where: \.looksAhead) {
      throw TrainingError(
        at: "model.layers", expected: "a model whose steps see what is before them only, to write with",
        found: "one that looks ahead: bidirectional, or attention that is not causal",
        remedy: "Train it with causal: true, and without bidirectional: true.")
    }
    self.tokenizer = tokenizer
    self.context = context
    parameters = model.parameters
    plan = try model.objective.outputPlan(batch: 1)
    inputs = Arena(count: context)
    activations = Arena(count: plan.activationCount)
    results = Arena(count: plan.resultCount)
  }

  /// Goes on with `prompt` for so many tokens; `receive` gets the bytes of the prompt, then those of each token as
  /// it is chosen.
  ///
  /// The model sees the last tokens only, as many as its context. Throws where the prompt has characters that the
  /// vocabulary lacks.
  public func generate(
    prompt: String, tokens count: Int, sampler: TokenSampler, receive: ([UInt8]) -> Void
  ) throws {
    let bytes = Array(prompt.utf8)
    var tokens = try tokenizer.encode(bytes, at: "the prompt")
    receive(bytes)
    // Something must stand first.
    if tokens.isEmpty { tokens = [(try? tokenizer.encode("\n"))?.first ?? 0] }
    for position in 0..<count {
      let token = try sampler.token(logits(after: tokens), position: position)
      receive(tokenizer.bytes(of: token))
      tokens.append(token)
    }
  }

  /// What the model gives for the token behind `tokens`. Those that it reads begin at the first place: later places
  /// hold anything, since no step sees the ones behind it.
  private func logits(after tokens: [Int32]) -> [Float] {
    let seen = tokens.suffix(context)
    inputs.base.update(repeating: 0, count: context)
    for (place, token) in seen.enumerated() { inputs.base[place] = Float(token) }
    var memory = Bindings(
      parameters: UnsafePointer(parameters.base), gradients: riders.base, riders: riders.base,
      activations: activations.base)
    memory.inputs = UnsafePointer(inputs.base)
    memory.results = results.base
    Executor<FloatKernels>.run(plan, memory)
    let vocabulary = tokenizer.vocabularySize
    return Array(
      UnsafeBufferPointer(start: results.base + (seen.count - 1) * vocabulary, count: vocabulary))
  }
}
