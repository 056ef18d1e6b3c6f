// Matrix products by our own loops and by oneDNN, against the formula in double precision, at odd extents in all forms,
// and what they promise of their bits.

import CKernels
import TensorCore
import Testing

@Suite(.serialized) struct MatrixProductTests {
  private typealias Fast = FloatKernels
  private typealias Exact = ReferenceKernels<Double>

  /// Extents around the edges of tiles of 6 × 64, blocks of 258 rows, slabs of 256 columns and a depth of 256,
  /// some that fit none, and few rows by many columns, whose products are made the other way round.
  static let extents = [
    (1, 1, 1), (1, 17, 1), (3, 5, 7), (6, 64, 64), (7, 65, 65), (5, 63, 3), (12, 16, 256), (13, 48, 257),
    (15, 16, 17), (31, 33, 100), (100, 1, 33), (2, 2, 300), (64, 10, 64), (10, 128, 64), (259, 20, 9),
    (20, 257, 30), (9, 300, 513),
    (258, 256, 20), (61, 80, 64), (33, 96, 128),
    (16, 50, 300), (32, 48, 256), (48, 97, 257), (64, 130, 520), (96, 101, 40), (128, 145, 30),
  ]

  /// One thread, as ranks have by default: our own loops are written for it.
  init() { ComputeLibrary.setThreads(1) }

  /// The error of a sum of `depth` products, in any order, is below depth + 1 roundings of the sum of magnitudes; a
  /// bias adds one, tanh some of its own.
  @Test(arguments: extents) func productsOfAllFormsEqualTheFormula(_ extents: (Int, Int, Int)) {
    for test in Case.all(extents) {
      let exact: [Double] = result(test.count) { y in
        test.bias.doubles.withUnsafeBufferPointer { bias in
          Exact.matrixProduct(
            test.form, test.a.doubles, test.b.doubles, bias: test.bias.isEmpty ? nil : bias.baseAddress,
            activation: test.activation, y, scratch: y)
        }
      }
      let y = test.product()
      for (index, magnitude) in test.magnitudes.enumerated() {
        let roundings = test.form.depth + (test.activation == .tanh ? 10 : 2)
        let bound = Double(roundings) * rounding * magnitude
        #expect(abs(Double(y[index]) - exact[index]) <= bound, "\(test.form) at \(index)")
      }
    }
  }

  /// [2, 3] · [3, 4] by hand, with operands stored either way.
  @Test func theReferenceIsTheFormula() {
    let a: [Double] = [1, 2, 3, 4, 5, 6]
    let turnedA: [Double] = [1, 4, 2, 5, 3, 6]
    let b: [Double] = [1, 0, 2, -1, 3, 1, 0, 2, -2, 4, 1, 0]
    let turnedB: [Double] = [1, 3, -2, 0, 1, 4, 2, 0, 1, -1, 2, 0]
    for (left, transposeA) in [(a, false), (turnedA, true)] {
      for (right, transposeB) in [(b, false), (turnedB, true)] {
        let form = MatrixForm(rows: 2, columns: 4, depth: 3, transposeA: transposeA, transposeB: transposeB)
        let y: [Double] = result(8) {
          Exact.matrixProduct(form, left, right, bias: nil, activation: nil, $0, scratch: $0)
        }
        #expect(y == [1, 14, 5, 3, 7, 29, 14, 6])
      }
    }
  }

  @Test(arguments: extents) func biasAndActivationAreThoseOfSeparateSteps(_ extents: (Int, Int, Int)) {
    for test in Case.all(extents) {
      var bare = test
      (bare.bias, bare.activation) = ([], nil)
      let separate = changed(bare.product()) { y in
        test.bias.withUnsafeBufferPointer { bias in
          Fast.biasActivate(
            test.activation, test.bias.isEmpty ? nil : bias.baseAddress, y, test.form.rows, test.form.columns)
        }
      }
      #expect(bits(test.product()) == bits(separate), "\(test.form)")
    }
  }

  /// Sums in another order would show.
  @Test(arguments: extents) func bitsDoNotDependOnTheWidthOfVectorsNorOnAddresses(_ extents: (Int, Int, Int))
  {
    for test in Case.all(extents) where test.form.kernel != .oneDNN && lockstep_has_wide_products() != 0 {
      let y = test.ownProduct()
      lockstep_narrow_products(1)
      let narrow = test.ownProduct()
      lockstep_narrow_products(0)
      #expect(bits(y) == bits(narrow), "\(test.form)")
      #expect(bits(y) == bits(test.ownProduct(shift: 3)), "\(test.form)")
    }
  }

  /// A row's result depends on that row alone, whatever the tile that it falls into.
  @Test func aRowsBitsDoNotDependOnTheOtherRows() {
    var draw = Draw(8)
    let (a, b) = (draw.values(40 * 300), draw.values(70 * 300))
    func product(_ rows: Range<Int>) -> [Float] {
      let form = MatrixForm(rows: rows.count, columns: 70, depth: 300, transposeB: true)
      return Case(form: form, a: Array(a[rows.lowerBound * 300..<rows.upperBound * 300]), b: b).ownProduct()
    }
    let all = product(0..<40)
    for rows in [0..<1, 3..<10, 6..<12, 39..<40, 11..<37] {
      #expect(bits(product(rows)) == bits(Array(all[rows.lowerBound * 70..<rows.upperBound * 70])))
    }
  }

  @Test(arguments: extents) func aPackedRightSideServesManyProducts(_ extents: (Int, Int, Int)) {
    let (rows, columns, depth) = extents
    var draw = Draw(UInt64(rows + columns + depth))
    let (a, b) = (draw.values(rows * depth), draw.values(columns * depth))
    let turned: [Float] = result(depth * columns) {
      Fast.transpose(TransposeForm(outer: 1, first: columns, middle: 1, second: depth, inner: 1), b, $0)
    }
    let form = MatrixForm(rows: rows, columns: columns, depth: depth, transposeB: true)
    let expected = Case(form: form, a: a, b: b).ownProduct()
    for (right, isTransposed) in [(b, 1), (turned, 0)] as [([Float], Int32)] {
      var packed = [Float](repeating: .nan, count: lockstep_packed_count(depth, columns))
      lockstep_pack(depth, columns, isTransposed, right, &packed)
      #expect(
        bits(
          result(rows * columns) {
            lockstep_packed_product(rows, columns, depth, a, packed, 0, $0, columns, a, 0)
          })
          == bits(expected))
      let old = draw.values(rows * columns)
      let sum = changed(old) {
        lockstep_packed_product(rows, columns, depth, a, packed, 1, $0, columns, a, a.count)
      }
      // Blocks of the depth are added to what was there in turn.
      if depth <= 256 { #expect(bits(sum) == bits(zip(old, expected).map { $0 + $1 })) }
      let bound = Double(depth + 2) * rounding * 10 * Double(depth).squareRoot()
      for index in sum.indices {
        let exact = Double(old[index]) + Double(expected[index])
        #expect(abs(Double(sum[index]) - exact) <= bound)
      }
    }
  }

  @Test func aNaNStaysInItsRowAndColumn() {
    for form in Case.all((9, 70, 40)).map(\.form) {
      var test = Case(form: form, a: [Float](repeating: 1, count: 360), b: [Float](repeating: 1, count: 2800))
      test.a[form.transposeA ? 4 : 4 * 40] = .nan
      let y = test.product()
      #expect(y.indices.allSatisfy { y[$0].isNaN == ($0 / 70 == 4) })
      test.a = [Float](repeating: 1, count: 360)
      test.b[form.transposeB ? 66 * 40 : 66] = .nan
      let z = test.product()
      #expect(z.indices.allSatisfy { z[$0].isNaN == ($0 % 70 == 66) })
    }
  }

  @Test func theKernelIsChosenByTheFormAlone() {
    #expect(MatrixForm(rows: 64, columns: 128, depth: 784, transposeB: true).kernel == .byRows)
    #expect(MatrixForm(rows: 128, columns: 784, depth: 64, transposeA: true).kernel == .shallow)
    #expect(MatrixForm(rows: 128, columns: 784, depth: 65, transposeA: true).kernel == .oneDNN)
    #expect(MatrixForm(rows: 64, columns: 784, depth: 128).kernel == .oneDNN)
    #expect(MatrixForm(rows: 64, columns: 784, depth: 128).scratchCount == 0)
  }

  /// A product and what it is made of.
  private struct Case {
    let form: MatrixForm
    var a, b: [Float]
    var bias: [Float] = []
    var activation: Activation?

    /// All transpositions with all epilogues.
    static func all(_ extents: (rows: Int, columns: Int, depth: Int)) -> [Case] {
      let (rows, columns, depth) = extents
      var draw = Draw(UInt64(rows * 10007 + depth * 101 + columns))
      let (a, b, bias) = (draw.values(rows * depth), draw.values(depth * columns), draw.values(columns))
      return [(false, false), (false, true), (true, false), (true, true)].flatMap { transposeA, transposeB in
        [(false, nil), (true, nil), (true, .relu), (false, .tanh)].map {
          (addsBias: Bool, activation: Activation?) in
          Case(
            form: MatrixForm(
              rows: rows, columns: columns, depth: depth, transposeA: transposeA, transposeB: transposeB),
            a: a, b: b, bias: addsBias ? bias : [], activation: activation)
        }
      }
    }

    var count: Int { form.rows * form.columns }

    /// For each result: the sum of the magnitudes of its terms.
    var magnitudes: [Double] {
      let (a, b, bias) = (a.doubles.map(abs), b.doubles.map(abs), bias.doubles.map(abs))
      return result(count) { y in
        bias.withUnsafeBufferPointer { bias in
          Exact.matrixProduct(
            form, a, b, bias: bias.isEmpty ? nil : bias.baseAddress, activation: nil, y, scratch: y)
        }
      }
    }

    func product() -> [Float] {
      guarded(form.scratchCount) { scratch in
        result(count) { y in
          bias.withUnsafeBufferPointer { bias in
            Fast.matrixProduct(
              form, a, b, bias: bias.isEmpty ? nil : bias.baseAddress, activation: activation, y,
              scratch: scratch)
          }
        }
      }
    }

    /// By our own loops on every processor, with operands so many elements from where they would be.
    func ownProduct(shift: Int = 0) -> [Float] {
      let (movedA, movedB) = (
        [Float](repeating: 0, count: shift) + a, [Float](repeating: 0, count: shift) + b
      )
      return guarded(form.scratchCount) { scratch in
        movedA.withUnsafeBufferPointer { a in
          movedB.withUnsafeBufferPointer { b in
            result(count) { y in
              let (a, b) = (a.baseAddress.map { $0 + shift }, b.baseAddress.map { $0 + shift })
              if form.transposeB {
                lockstep_product(
                  form.rows, form.columns, form.depth, a, b, nil, lockstep_activation_none, y, scratch)
              } else {
                lockstep_shallow_product(form.rows, form.columns, form.depth, a, b, y, scratch)
              }
            }
          }
        }
      }
    }

    /// Scratch memory of this size, with a NaN in every element: what lies behind it must stay as it was.
    private func guarded(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> [Float]) -> [Float] {
      var value: [Float] = []
      let scratch: [Float] = result(count) { value = body($0) }
      #expect(scratch.count == count)
      return value
    }
  }
}
