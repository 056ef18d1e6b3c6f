/// Scaled dot-product attention of several heads, each step of a sequence to the steps of the same sequence
/// (Vaswani et al. 2017): softmax(q·kᵀ/√headWidth)·v.
package struct AttentionForm: Hashable, Sendable {
  package var batch: Int
  /// The steps of a sequence.
  package var time: Int
  package var heads: Int
  package var headWidth: Int
  /// Step i attends to steps 0...i only.
  package var isCausal: Bool
  /// Whether there is an operand that says to which steps may be attended.
  package var hasMask: Bool

  package init(batch: Int, time: Int, heads: Int, headWidth: Int, isCausal: Bool, hasMask: Bool = false) {
    self.batch = batch
    self.time = time
    self.heads = heads
    self.headWidth = headWidth
    self.isCausal = isCausal
    self.hasMask = hasMask
  }

  /// Of all heads.
  package var width: Int { heads * headWidth }
  /// What the scores are multiplied with.
  package var scale: Double { 1 / Double(headWidth).squareRoot() }

  /// Multiplications and additions of the forward pass, counted as two each. Causal attention computes about
  /// half of the scores.
  package var floatingPointOperations: Int {
    let attended = isCausal ? time * (time + 1) / 2 : time * time
    return 4 * batch * heads * attended * headWidth
  }
}
