import Autodiff
import TensorCore

/// A part of a model, or a whole one: a plain value that writes itself into a graph.
///
///     struct Classifier: Layer {
///       let hidden = Dense("hidden", 784, 256, activation: .relu)
///       let output = Dense("output", 256, 10)
///
///       func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node {
///         try output(hidden(x, in: &graph), in: &graph)
///       }
///     }
public protocol Layer: Sendable {
  /// Writes this layer's nodes for the symbolic input `x`, [batch, …], and returns its result.
  func callAsFunction(_ x: Node, in graph: inout Graph) throws(GraphError) -> Node
}
