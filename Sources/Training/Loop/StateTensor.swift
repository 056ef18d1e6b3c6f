import Averaging
import TensorCore

/// A parameter's part of one of the vectors that a run's state is made of: a tensor in a checkpoint.
struct StateTensor {
  let entry: VectorLayout.Entry
  /// `hidden.weight.momentum`; of the second worker and on `hidden.weight.momentum.worker-1`.
  let name: String
  /// Its place in the vector.
  let range: Range<Int>

  /// In the order of their places.
  static func all(of vector: StateVector, _ layout: VectorLayout) -> [StateTensor] {
    (0..<vector.workers).flatMap { worker in
      layout.entries.map { entry in
        let start = worker * layout.count + entry.offset
        let name = "\(entry.name).\(vector.name)" + (worker == 0 ? "" : ".worker-\(worker)")
        return StateTensor(entry: entry, name: name, range: start..<start + entry.shape.count)
      }
    }
  }

  /// What a piece of a vector has of a tensor.
  struct Part {
    let tensor: StateTensor
    /// Its first element, counted from the tensor's.
    let offset: Int
    /// Its elements, counted from the piece's.
    let local: Range<Int>
  }

  static func parts(of piece: Range<Int>, _ vector: StateVector, _ layout: VectorLayout) -> [Part] {
    all(of: vector, layout).compactMap { tensor in
      let part = tensor.range.clamped(to: piece)
      guard !part.isEmpty else { return nil }
      return Part(
        tensor: tensor, offset: part.lowerBound - tensor.range.lowerBound,
        local: part.lowerBound - piece.lowerBound..<part.upperBound - piece.lowerBound)
    }
  }
}
