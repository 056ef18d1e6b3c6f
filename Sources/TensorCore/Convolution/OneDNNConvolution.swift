import CKernels
import OneDNNPrimitives

extension FloatKernels {
  @inline(__always)
  static func runOneDNN(
    _ direction: ConvolutionDirection, _ form: ConvolutionForm, _ first: Input, _ second: Input,
    _ bias: Input?, _ result: Output, _ slot: PrimitiveSlot
  ) {
    precondition(
      form.normalization == nil && !form.addsToGradient && !form.stopsAtReLU,
      "oneDNN's kernels do not fuse \(form)")
    let primitive = slot.pointee ?? make(direction, form, slot)
    let status = lockstep_convolution_run(primitive, first, second, bias, result)
    precondition(status == 0, "oneDNN could not run the convolution \(form): status \(status)")
  }

  private static func make(
    _ direction: ConvolutionDirection, _ form: ConvolutionForm, _ slot: PrimitiveSlot
  ) -> UnsafeMutablePointer<lockstep_primitive> {
    var status: Int32 = 0
    var described = form.described
    guard let primitive = lockstep_convolution_create(direction.kind, &described, &status) else {
      preconditionFailure("oneDNN has no kernel for the convolution \(form): status \(status)")
    }
    slot.pointee = primitive
    return primitive
  }
}

extension ConvolutionForm {
  /// The same for the C interface.
  fileprivate var described: lockstep_convolution {
    let output = output
    return lockstep_convolution(
      batch: Int64(batch), groups: Int64(groups),
      input_channels: Int64(inputChannels), input_height: Int64(input.height),
      input_width: Int64(input.width),
      output_channels: Int64(outputChannels), output_height: Int64(output.height),
      output_width: Int64(output.width),
      kernel_height: Int64(kernel.height), kernel_width: Int64(kernel.width),
      stride_height: Int64(stride.height), stride_width: Int64(stride.width),
      padding_height: Int64(padding.height), padding_width: Int64(padding.width),
      dilation_height: Int64(dilation.height), dilation_width: Int64(dilation.width),
      input_block: Int64(inputBlock), output_block: Int64(outputBlock),
      adds_bias: addsBias ? 1 : 0, applies_relu: appliesReLU ? 1 : 0)
  }
}
