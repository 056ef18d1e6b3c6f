import CKernels

/// Attention. qkv [batch, time, 3, heads, headWidth] holds queries, keys and values, as PyTorch's packed
/// input projection gives them; mask [batch, time] says with 0 that nobody attends to a step; y [batch, time,
/// heads, headWidth]. Steps that have nothing to attend to give zeros.
package protocol AttentionKernels: KernelBase {
  /// - Parameter scratch: `form.scratchCount` elements.
  static func attention(
    _ form: AttentionForm, _ qkv: Input, _ mask: Input?, _ y: Output, scratch: Output)
  /// The probabilities are computed anew.
  ///
  /// - Parameter scratch: `form.gradientScratchCount` elements.
  static func attentionGradient(
    _ form: AttentionForm, _ qkv: Input, _ mask: Input?, _ dy: Input, _ dqkv: Output, scratch: Output)
}

extension ReferenceKernels: AttentionKernels {
  package static func attention(
    _ form: AttentionForm, _ qkv: Input, _ mask: Input?, _ y: Output, scratch: Output
  ) {
    for head in ReferenceHead<Scalar>.all(of: form, qkv, mask) {
      for i in 0..<form.time {
        let probabilities = head.probabilities(of: i)
        for d in 0..<form.headWidth {
          var sum: Scalar = 0
          for j in 0..<form.time { sum += probabilities[j] * head[.value, j, d] }
          y[head.resultIndex(i, d)] = sum
        }
      }
    }
  }

  package static func attentionGradient(
    _ form: AttentionForm, _ qkv: Input, _ mask: Input?, _ dy: Input, _ dqkv: Output, scratch: Output
  ) {
    for index in 0..<3 * form.batch * form.time * form.width { dqkv[index] = 0 }
    let scale = Scalar(form.scale)
    for head in ReferenceHead<Scalar>.all(of: form, qkv, mask) {
      for i in 0..<form.time {
        let p = head.probabilities(of: i)
        let dp = (0..<form.time).map { j in
          (0..<form.headWidth).reduce(0) { $0 + dy[head.resultIndex(i, $1)] * head[.value, j, $1] }
        }
        let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
        for j in 0..<form.time {
          let ds = p[j] * (dp[j] - mean) * scale
          for d in 0..<form.headWidth {
            dqkv[head.index(.query, i, d)] += ds * head[.key, j, d]
            dqkv[head.index(.key, j, d)] += ds * head[.query, i, d]
            dqkv[head.index(.value, j, d)] += p[j] * dy[head.resultIndex(i, d)]
          }
        }
      }
    }
  }
}

/// One head of one sample, for the reference.
private struct ReferenceHead<Scalar: BinaryFloatingPoint & BitwiseCopyable> {
  enum Part: Int { case query, key, value }

  let form: AttentionForm
  let qkv: UnsafePointer<Scalar>
  let mask: UnsafePointer<Scalar>?
  let sample: Int
  let head: Int

  static func all(
    of form: AttentionForm, _ qkv: UnsafePointer<Scalar>, _ mask: UnsafePointer<Scalar>?
  ) -> [ReferenceHead] {
    (0..<form.batch).flatMap { sample in
      (0..<form.heads).map { ReferenceHead(form: form, qkv: qkv, mask: mask, sample: sample, head: $0) }
    }
  }

  func index(_ part: Part, _ step: Int, _ d: Int) -> Int {
    (((sample * form.time + step) * 3 + part.rawValue) * form.heads + head) * form.headWidth + d
  }

  func resultIndex(_ step: Int, _ d: Int) -> Int {
    ((sample * form.time + step) * form.heads + head) * form.headWidth + d
  }

  subscript(part: Part, step: Int, d: Int) -> Scalar { qkv[index(part, step, d)] }

  /// How much step i attends to each step.
  func probabilities(of i: Int) -> [Scalar] {
    let scores = (0..<form.time).map { j -> Scalar? in
      if form.isCausal && j > i { return nil }
      if let mask, mask[sample * form.time + j] == 0 { return nil }
      let product = (0..<form.headWidth).reduce(0) { $0 + self[.query, i, $1] * self[.key, j, $1] }
      return product * Scalar(form.scale)
    }
    let largest = scores.compactMap { $0 }.max() ?? 0
    let powers = scores.map { score in
      score.map { ReferenceKernels<Scalar>.exponential($0 - largest) } ?? 0
    }
    let sum = powers.reduce(0, +)
    return sum == 0 ? powers : powers.map { $0 / sum }
  }
}

extension FloatKernels: AttentionKernels {
  package static func attention(
    _ form: AttentionForm, _ qkv: Input, _ mask: Input?, _ y: Output, scratch: Output
  ) {
    lockstep_attention(form.kernel, qkv, mask, y, scratch)
  }

  package static func attentionGradient(
    _ form: AttentionForm, _ qkv: Input, _ mask: Input?, _ dy: Input, _ dqkv: Output, scratch: Output
  ) {
    lockstep_attention_gradient(form.kernel, qkv, mask, dy, dqkv, scratch)
  }
}

extension AttentionForm {
  package var scratchCount: Int { lockstep_attention_scratch(kernel) }
  package var gradientScratchCount: Int { lockstep_attention_gradient_scratch(kernel) }

  fileprivate var kernel: lockstep_attention_form {
    lockstep_attention_form(
      batch: batch, time: time, heads: heads, width: headWidth, scale: Float(scale),
      is_causal: isCausal ? 1 : 0)
  }
}
