import TensorCore
import Testing

@Suite struct EmbeddingKernelTests {
  @Test(arguments: [(1, 1, 1), (5, 3, 7), (40, 4, 17), (9, 100, 32)])
  func rowsAreTakenAndTheirGradientsAddUp(rows: Int, vocabulary: Int, width: Int) {
    let form = EmbeddingForm(rows: rows, vocabulary: vocabulary, width: width)
    var draw = Draw(UInt64(rows * 100 + width))
    let tokens = draw.labels(rows, classes: vocabulary).map { Int($0) }
    let (indices, table) = (tokens.map { Float($0) }, draw.values(vocabulary * width))
    let dy = draw.values(rows * width)
    let expected = tokens.flatMap { Array(table[$0 * width..<($0 + 1) * width]) }
    #expect(result(rows * width) { FloatKernels.embedding(form, indices, table, $0) } == expected)
    #expect(result(rows * width) { ReferenceKernels.embedding(form, indices, table, $0) } == expected)

    // The rows in their order: the same bits as adding them one by one.
    var sums = [Float](repeating: 0, count: vocabulary * width)
    for (row, token) in tokens.enumerated() {
      for column in 0..<width { sums[token * width + column] += dy[row * width + column] }
    }
    #expect(
      result(vocabulary * width) { FloatKernels.embeddingGradient(form, indices, dy, $0) } == sums)
    #expect(
      result(vocabulary * width) { ReferenceKernels.embeddingGradient(form, indices, dy, $0) } == sums)
  }

  @Test func paddingIsWhatEqualsItsToken() {
    let tokens: [Float] = [0, 3, 1, 3, 0]
    #expect(result(5) { FloatKernels.differs(tokens, from: 3, $0, 5) } == [1, 0, 1, 0, 1] as [Float])
    #expect(result(5) { ReferenceKernels.differs(tokens, from: 3, $0, 5) } == [1, 0, 1, 0, 1] as [Float])
  }
}
