import CKernels

/// A place for an object of a library, as one of oneDNN's primitives with its memory, that an instruction
/// makes when it first runs and uses from then on.
package typealias PrimitiveSlot = UnsafeMutablePointer<UnsafeMutablePointer<lockstep_primitive>?>

/// The objects that a plan's instructions keep, one place each. They go with the table.
///
/// A plan is run by one thread at a time, and so its table is used by one.
package final class PrimitiveTable: @unchecked Sendable {
  package let slots: PrimitiveSlot
  private let count: Int

  package init(count: Int) {
    self.count = count
    slots = .allocate(capacity: max(count, 1))
    slots.initialize(repeating: nil, count: max(count, 1))
  }

  deinit {
    for index in 0..<count {
      if let primitive = slots[index] { primitive.pointee.destroy(primitive) }
    }
    slots.deallocate()
  }
}
