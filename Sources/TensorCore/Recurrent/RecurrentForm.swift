/// What a recurrent layer computes in each time step, from its input x and its previous state h′.
///
/// Sums of gates lie one behind the other, in PyTorch's order and formulas:
/// - `tanh`, `relu`: h = activation(Wx + b + Uh′ + b′)
/// - `lstm`: i, f, g, o; c = σ(f) ⊙ c′ + σ(i) ⊙ tanh(g), h = σ(o) ⊙ tanh(c) (Hochreiter and Schmidhuber 1997,
///   with the forget gate of Gers et al. 2000)
/// - `gru`: r, z, n; n = tanh(Wx + b + σ(r) ⊙ (Uh′ + b′)), h = (1 − σ(z)) ⊙ n + σ(z) ⊙ h′ (Cho et al. 2014)
public enum RecurrentCell: String, Sendable, CaseIterable {
  case tanh
  case relu
  case lstm
  case gru

  /// How many sums a hidden unit has: the rows of the weights are so many times the hidden units.
  public var gates: Int {
    switch self {
    case .tanh, .relu: 1
    case .lstm: 4
    case .gru: 3
    }
  }

  /// What a simple cell applies to its one sum.
  var activation: Activation? {
    switch self {
    case .tanh: .tanh
    case .relu: .relu
    case .lstm, .gru: nil
    }
  }
}

/// One direction of one recurrent layer, all time steps of it. Letters: T steps, B batch, H hidden units,
/// G gates of the cell.
///
/// Everything is time-major, [T, B, …], so that a step's rows are one matrix and all steps' rows are one too. The
/// state before the first step is 0; where `isReversed` the last step comes first.
package struct RecurrentForm: Hashable, Sendable {
  package var cell: RecurrentCell
  package var steps: Int
  package var batch: Int
  package var hidden: Int
  /// Whether time runs from the last step to the first.
  package var isReversed: Bool
  /// Whether b′ [G·H] is added in here, which only a GRU needs: its b′ is within a product. Others have b + b′ in x.
  package var usesBias: Bool

  package init(
    cell: RecurrentCell, steps: Int, batch: Int, hidden: Int, isReversed: Bool = false, usesBias: Bool = false
  ) {
    precondition(cell == .gru || !usesBias, "only a GRU adds its second bias in every step")
    self.cell = cell
    self.steps = steps
    self.batch = batch
    self.hidden = hidden
    self.isReversed = isReversed
    self.usesBias = usesBias
  }

  /// Elements of a step's states, [B, H].
  package var stepCount: Int { batch * hidden }
  /// Elements of a step's sums, [B, G·H].
  package var stepSumCount: Int { batch * cell.gates * hidden }
  /// Elements of all states, [T, B, H].
  package var stateCount: Int { steps * stepCount }
  /// Elements of all sums, [T, B, G·H].
  package var sumCount: Int { steps * stepSumCount }

  // MARK: The result of the forward pass: the states h [T, B, H], then what the backward pass reads.

  /// LSTM: where the cell states c [T, B, H] begin.
  package var cellOffset: Int { stateCount }
  /// LSTM, GRU: where the gates begin, [T, B, 4H]. LSTM: i, f, g, o behind their functions; GRU: likewise r, z, n, and
  /// then the recurrent part of n's sum, Uh′ + b′.
  package var gatesOffset: Int { cell == .lstm ? 2 * stateCount : stateCount }
  /// Elements of the result.
  package var resultCount: Int {
    switch cell {
    case .tanh, .relu: stateCount
    case .lstm: 6 * stateCount
    case .gru: 5 * stateCount
    }
  }

  // MARK: The result of the backward pass: the gradient of the sums' input part, then that of their recurrent part.

  /// Where the gradient of Uh′ + b′ [T, B, G·H] begins: it is the gradient of Wx + b itself, except for a GRU.
  package var recurrentGradientOffset: Int { cell == .gru ? sumCount : 0 }
  /// Elements of the result.
  package var gradientCount: Int { recurrentGradientOffset + sumCount }
  /// Elements that the forward pass needs besides: Uᵀ, in the order that the products of all steps read it in.
  package var scratchCount: Int { hidden * (cell.gates * hidden).alignedToVector }
  /// Elements that the backward pass needs besides: the gradients of h and c on their way to an earlier step, and U
  /// in the order that the products of all steps read it in.
  package var gradientScratchCount: Int { packedWeightOffset + cell.gates * hidden * hidden.alignedToVector }
  /// Where U begins in the scratch memory of the backward pass.
  var packedWeightOffset: Int { (cell == .lstm ? 2 * stepCount : stepCount).alignedToVector }

  // MARK: Time

  /// Which step is taken at a position in the order of computation.
  package func step(at position: Int) -> Int { isReversed ? steps - 1 - position : position }

  /// The first of the T − 1 steps that have a previous state.
  package var firstStepWithPrevious: Int { isReversed ? 0 : 1 }
  /// The first of their previous states.
  package var firstPreviousStep: Int { isReversed ? 1 : 0 }
}
