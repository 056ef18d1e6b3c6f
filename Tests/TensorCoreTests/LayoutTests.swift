import TensorCore
import Testing

@Suite struct LayoutTests {
  private let layout = VectorLayout([
    ("a", [3, 5]), ("b", [16]), ("c", .scalar), ("d", [129, 65]), ("e", [2048]), ("f", [17]),
  ])

  @Test func everyParameterBeginsOnAVectorsBoundaryAndNoneOverlap() {
    #expect(layout.entries.map(\.name) == ["a", "b", "c", "d", "e", "f"])
    #expect(layout.entries.map(\.offset) == [0, 16, 32, 48, 8448, 10496])
    #expect(layout.count == 10528)
    for (entry, next) in zip(layout.entries, layout.entries.dropFirst()) {
      #expect(entry.offset % 16 == 0)
      #expect(entry.range.count == entry.shape.count)
      #expect((0..<16).contains(next.offset - entry.range.upperBound))
    }
  }

  @Test func theCountOfParametersLeavesGapsOut() {
    #expect(layout.parameterCount == 15 + 16 + 1 + 129 * 65 + 2048 + 17)
  }

  @Test func ridersLieBehindTheGradientsInWholeVectors() {
    #expect(layout.riders == 10528..<10544)
    #expect(layout.gradientCount == 10544)
    #expect(Rider.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6])
    #expect(Rider.room % 16 == 0 && Rider.allCases.count <= Rider.room)
  }

  @Test func blocksCoverTheVectorWithoutGapsAndBeginAnewAtEachParameter() {
    let blocks = layout.blocks
    #expect(blocks.first?.lowerBound == 0 && blocks.last?.upperBound == layout.count)
    for (block, next) in zip(blocks, blocks.dropFirst()) { #expect(block.upperBound == next.lowerBound) }
    #expect(blocks.allSatisfy { !$0.isEmpty && $0.count <= VectorLayout.blockLength })
    for entry in layout.entries {
      let own = blocks.filter { $0.lowerBound >= entry.offset && $0.lowerBound < entry.range.upperBound }
      #expect(own.first?.lowerBound == entry.offset)
      // All but a parameter's last block have the full length.
      #expect(own.dropLast().allSatisfy { $0.count == VectorLayout.blockLength })
    }
    #expect(blocks.count == 1 + 1 + 1 + 5 + 1 + 1)
  }

  @Test func anEmptyLayoutHoldsRidersOnly() {
    let empty = VectorLayout([])
    #expect(empty.count == 0 && empty.blocks.isEmpty && empty.gradientCount == Rider.room)
  }

  @Test func arenasBeginAlignedAndAsZeros() {
    for count in [0, 1, 15, 1000] {
      let arena = Arena<Float>(count: count)
      #expect(UInt(bitPattern: arena.base) % 64 == 0)
      #expect(arena.buffer.count == count && arena.buffer.allSatisfy { $0 == 0 })
    }
  }

  @Test func countsAreRoundedUpToWholeVectors() {
    #expect([0, 1, 15, 16, 17, 32, 33].map(\.alignedToVector) == [0, 16, 16, 16, 32, 32, 48])
  }

  @Test func extentsAroundAnAxisAreThoseBeforeAtAndBehindIt() {
    let shape: Shape = [2, 3, 5, 7]
    #expect(shape.extents(around: 0) == (1, 2, 105))
    #expect(shape.extents(around: 2) == (6, 5, 7))
    #expect(shape.extents(around: 3) == (30, 7, 1))
    #expect(shape.removing(axis: 1) == [2, 5, 7])
    #expect(shape.inserting(4, at: 4) == [2, 3, 5, 7, 4])
    #expect(Shape.scalar.count == 1 && Shape.scalar.rank == 0)
    #expect("\(shape)" == "[2, 3, 5, 7]")
  }

  @Test func matrixFormsDifferInEveryPart() {
    let plain = MatrixForm(rows: 2, columns: 3, depth: 5)
    #expect(!plain.transposeA && !plain.transposeB)
    let others = [
      MatrixForm(rows: 3, columns: 2, depth: 5), MatrixForm(rows: 2, columns: 5, depth: 3),
      MatrixForm(rows: 2, columns: 3, depth: 5, transposeA: true),
      MatrixForm(rows: 2, columns: 3, depth: 5, transposeB: true), plain,
    ]
    #expect(Set(others).count == 5)
  }
}
