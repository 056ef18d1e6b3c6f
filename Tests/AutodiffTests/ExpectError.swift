import Autodiff
import Testing

/// Expects an error, in words that name the layer and have these parts, of what `write` adds to encoder.hidden.
func expectError(
  _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ write: (inout Graph) throws(GraphError) -> Void
) {
  var graph = Graph()
  do {
    try graph.scope("encoder") { outer throws(GraphError) in try outer.scope("hidden", write) }
    Issue.record("no error", sourceLocation: sourceLocation)
  } catch {
    for part in ["encoder.hidden"] + parts {
      #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation)
    }
    #expect(!error.diagnosis.remedy.isEmpty, sourceLocation: sourceLocation)
  }
}
