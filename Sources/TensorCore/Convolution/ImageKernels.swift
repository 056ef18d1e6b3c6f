import CKernels
import OneDNNPrimitives

/// From one layout of images to another.
package struct ReorderForm: Hashable, Sendable {
  package var batch: Int
  package var channels: Int
  package var size: Size2D
  /// The blocks of the operand and of the result, as in `ImageTensorForm`.
  package var fromBlock: Int
  package var toBlock: Int

  package init(batch: Int, channels: Int, size: Size2D, fromBlock: Int, toBlock: Int) {
    self.batch = batch
    self.channels = channels
    self.size = size
    self.fromBlock = fromBlock
    self.toBlock = toBlock
  }

  package var from: ImageTensorForm {
    ImageTensorForm(batch: batch, channels: channels, size: size, block: fromBlock)
  }
  package var to: ImageTensorForm {
    ImageTensorForm(batch: batch, channels: channels, size: size, block: toBlock)
  }
}

/// What is done to images whatever lies between.
package protocol ImageKernels: KernelBase {
  /// The same images in another layout.
  static func reorder(_ form: ReorderForm, _ x: Input, _ y: Output, primitive: PrimitiveSlot)
  /// y[n, c, h, w] = x[n, c, h, w] + bias[c]
  static func addToChannels(_ form: ImageTensorForm, _ x: Input, _ bias: Input, _ y: Output)
  /// y[c] = Σ_{n, h, w} x[n, c, h, w]
  static func sumOfChannels(_ form: ImageTensorForm, _ x: Input, _ y: Output)
}

extension ReferenceKernels {
  package static func reorder(_ form: ReorderForm, _ x: Input, _ y: Output, primitive: PrimitiveSlot) {
    let (from, to) = (form.from, form.to)
    forEachElement(from) { n, c, h, w in y[to.offset(n, c, h, w)] = x[from.offset(n, c, h, w)] }
  }

  package static func addToChannels(_ form: ImageTensorForm, _ x: Input, _ bias: Input, _ y: Output) {
    forEachElement(form) { n, c, h, w in
      y[form.offset(n, c, h, w)] = x[form.offset(n, c, h, w)] + bias[c]
    }
  }

  package static func sumOfChannels(_ form: ImageTensorForm, _ x: Input, _ y: Output) {
    y.update(repeating: 0, count: form.channels)
    forEachElement(form) { n, c, h, w in y[c] += x[form.offset(n, c, h, w)] }
  }

  private static func forEachElement(_ form: ImageTensorForm, _ body: (Int, Int, Int, Int) -> Void) {
    for n in 0..<form.batch {
      for c in 0..<form.channels {
        for h in 0..<form.size.height {
          for w in 0..<form.size.width { body(n, c, h, w) }
        }
      }
    }
  }
}

extension FloatKernels {
  package static func reorder(_ form: ReorderForm, _ x: Input, _ y: Output, primitive: PrimitiveSlot) {
    if primitive.pointee == nil {
      var status: Int32 = 0
      primitive.pointee = lockstep_reorder_create(
        Int64(form.batch), Int64(form.channels), Int64(form.size.height), Int64(form.size.width),
        Int64(form.fromBlock), Int64(form.toBlock), &status)
      precondition(primitive.pointee != nil, "oneDNN has no kernel for the reorder \(form): status \(status)")
    }
    let status = lockstep_reorder_run(primitive.pointee, x, y)
    precondition(status == 0, "oneDNN could not run the reorder \(form): status \(status)")
  }

  package static func addToChannels(_ form: ImageTensorForm, _ x: Input, _ bias: Input, _ y: Output) {
    lockstep_add_to_channels(x, bias, y, form.batch, form.channels, form.size.area, form.block)
  }

  package static func sumOfChannels(_ form: ImageTensorForm, _ x: Input, _ y: Output) {
    lockstep_sum_of_channels(x, y, form.batch, form.channels, form.size.area, form.block)
  }
}
