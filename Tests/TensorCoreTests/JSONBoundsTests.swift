import TensorCore
import Testing

@Suite struct JSONBoundsTests {
  private func excess(_ text: String, values: Int = 6, depth: Int = 2) -> String? {
    JSONBounds.excess(in: text.utf8, values: values, depth: depth)
  }

  @Test func whatIsWithinTheBoundsPasses() {
    #expect(excess("") == nil)
    #expect(excess("{\"a\": [1, 2], \"b\": 3}") == nil)
    #expect(excess("\"[[[[[[,,,,,,,,,,,,::::::\"") == nil)
    #expect(excess("[\"\\\"[[[[[[[[\\\\\", \"[[[[[[[[[[\"]") == nil)
  }

  @Test func valuesAndLevelsAreCounted() {
    #expect(excess("[1,2,3,4,5,6]") == nil)
    #expect(excess("[1,2,3,4,5,6,7]") == "more than 6 values")
    #expect(excess("{\"a\":{\"b\":{}}}") == "more than 2 levels of brackets")
    #expect(excess("[[]],[[]]") == nil)
    // The backslash before the mark belongs to the one before it.
    #expect(excess("\"\\\\\"[[[") == "more than 2 levels of brackets")
  }
}
