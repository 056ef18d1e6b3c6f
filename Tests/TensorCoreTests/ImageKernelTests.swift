// What is done to images in any layout: reorders to the bit, sums within the bound of a sum in any order.

import TensorCore
import Testing

@Suite struct ImageKernelTests {
  typealias Fast = FloatKernels
  typealias Exact = ReferenceKernels<Double>
  typealias Single = ReferenceKernels<Float>

  static let sizes: [Size2D] = [1, .init(height: 3, width: 5), .init(height: 1, width: 16), 8, 13]

  @Test(arguments: sizes, [0, 8, 16]) func reordersMoveEveryElement(_ size: Size2D, _ fromBlock: Int) {
    for toBlock in [0, 8, 16] {
      let form = ReorderForm(batch: 3, channels: 48, size: size, fromBlock: fromBlock, toBlock: toBlock)
      let x = (0..<form.from.count).map(Float.init)
      let primitives = PrimitiveTable(count: 2)
      for _ in 0..<2 {
        let y: [Float] = result(x.count) { Fast.reorder(form, x, $0, primitive: primitives.slots) }
        #expect(y == result(x.count) { Single.reorder(form, x, $0, primitive: primitives.slots) })
        // Sample 1, channel 21, the last pixel.
        let (h, w) = (size.height - 1, size.width - 1)
        #expect(y[form.to.offset(1, 21, h, w)] == Float(form.from.offset(1, 21, h, w)))
      }
    }
  }

  @Test func offsetsAreThoseOfTheNamedLayouts() {
    let plain = ImageTensorForm(batch: 2, channels: 32, size: .init(height: 3, width: 4))
    #expect(plain.offset(1, 17, 2, 3) == ((1 * 32 + 17) * 3 + 2) * 4 + 3)
    var blocked = plain
    blocked.block = 16
    #expect(blocked.offset(1, 17, 2, 3) == (((1 * 2 + 1) * 3 + 2) * 4 + 3) * 16 + 1)
  }

  @Test(arguments: sizes, [0, 8, 16]) func channelsAreSummedAndShiftedInEveryLayout(
    _ size: Size2D, _ block: Int
  ) {
    for channels in block == 0 ? [1, 5, 32] : [block, 3 * block] {
      let form = ImageTensorForm(batch: 3, channels: channels, size: size, block: block)
      var draw = Draw(UInt64(form.count))
      let (x, bias) = (draw.values(form.count), draw.values(channels))
      let shifted: [Float] = result(x.count) { Single.addToChannels(form, x, bias, $0) }
      #expect(result(x.count) { Fast.addToChannels(form, x, bias, $0) } == shifted)
      #expect(changed(x) { Fast.addToChannels(form, $0, bias, $0) } == shifted)
      let sums: [Float] = result(channels) { Fast.sumOfChannels(form, x, $0) }
      let exact: [Double] = result(channels) { Exact.sumOfChannels(form, x.doubles, $0) }
      let magnitudes: [Double] = result(channels) { Exact.sumOfChannels(form, x.doubles.map(abs), $0) }
      for channel in 0..<channels {
        let bound = Double(form.batch * size.area) * rounding * magnitudes[channel]
        #expect(abs(Double(sums[channel]) - exact[channel]) <= bound)
      }
    }
  }
}
