/// Which elements a dropout drops, and how its tensor lies: [outer, batch, inner], a sample's elements being
/// those of its row of the middle axis.
package struct DropoutForm: Hashable, Sendable {
  /// How probable it is that an element is dropped, 0 ..< 1.
  package var rate: Double
  /// Names the dropout within its model.
  package var layer: UInt64
  package var outer: Int
  package var batch: Int
  package var inner: Int

  package init(rate: Double, layer: UInt64, outer: Int, batch: Int, inner: Int) {
    self.rate = rate
    self.layer = layer
    self.outer = outer
    self.batch = batch
    self.inner = inner
  }

  /// An element is kept where its 32 random bits are at least this.
  package var threshold: UInt32 { UInt32(rate * 0x1p32) }

  /// What is kept is multiplied by this, so that sums keep their expectation.
  package var factor: Double { 1 / (1 - rate) }
}

/// What random numbers are drawn by in one pass: with the layer it names every number.
package struct PassKey {
  package var seed: UInt64
  package var step: UInt64
  /// The number of each row's sample in the data set.
  package var samples: UnsafePointer<Int>

  package init(seed: UInt64, step: UInt64, samples: UnsafePointer<Int>) {
    self.seed = seed
    self.step = step
    self.samples = samples
  }
}

package protocol DropoutKernels: KernelBase {
  /// y = x · factor where the element's random bits say so, else 0. The mask depends on the key, the layer
  /// and the element's place within its sample alone; the gradient is the same function of dy.
  ///
  /// Every run of `inner` elements takes 64 numbers at a time: number 16j + l of such a chunk is word j of
  /// Philox block l of the chunk.
  static func dropout(_ form: DropoutForm, _ key: PassKey, _ x: Input, _ y: Output)
}

extension ReferenceKernels: DropoutKernels {
  package static func dropout(_ form: DropoutForm, _ key: PassKey, _ x: Input, _ y: Output) {
    let philoxKey = RandomStream.key(
      seed: key.seed, purpose: .dropout, step: key.step, layer: form.layer)
    let chunks = (form.inner + 63) / 64
    for o in 0..<form.outer {
      for row in 0..<form.batch {
        let sample = UInt64(key.samples[row])
        for i in 0..<form.inner {
          let block = UInt32((o * chunks + i / 64) * 16 + i % 16)
          let words = RandomStream.philox(
            counter: (
              block, 0, UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: sample >> 32)
            ), key: philoxKey)
          let word = [words.0, words.1, words.2, words.3][i % 64 / 16]
          let index = (o * form.batch + row) * form.inner + i
          y[index] = word >= form.threshold ? x[index] * Scalar(form.factor) : 0
        }
      }
    }
  }
}
