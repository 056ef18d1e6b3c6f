import CKernels

extension FloatKernels: DropoutKernels {
  package static func dropout(_ form: DropoutForm, _ key: PassKey, _ x: Input, _ y: Output) {
    let (k0, k1) = RandomStream.key(
      seed: key.seed, purpose: .dropout, step: key.step, layer: form.layer)
    let chunks = (form.inner + 63) / 64
    for o in 0..<form.outer {
      for row in 0..<form.batch {
        let start = (o * form.batch + row) * form.inner
        lockstep_dropout(
          k0, k1, UInt64(key.samples[row]), UInt32(o * chunks * 16), form.threshold, Float(form.factor),
          x + start, y + start, form.inner)
      }
    }
  }
}
