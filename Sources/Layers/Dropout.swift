import Autodiff
import TensorCore

/// Drops each element with probability `rate` while training, and multiplies what is kept by 1/(1 − rate), so
/// that the expectation stays; does nothing otherwise. Srivastava et al. 2014.
///
/// The mask follows from seed, step, sample and layer, so it is the same on any number of ranks.
public struct Dropout: Layer {
  public let rate: Double

  public init(_ rate: Double) {
    precondition((0..<1).contains(rate), "a dropout rate is at least 0 and below 1")
    self.rate = rate
  }

  public func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
    try graph.dropout(x, rate: rate)
  }
}
