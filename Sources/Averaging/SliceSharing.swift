import MessagePassing
import TensorCore

/// What brings new slices from their owners to couriers in other groups, who put them into the parameters that their
/// group shares.
struct SliceSharing {
  private(set) var sends: [Message] = []
  private(set) var receives: [Message] = []
  /// The own slice as it travels, and those that come; empty where numbers do not travel packed.
  private var own: [PackedNumbers] = []
  private var others: [PackedNumbers] = []
  private let memory: Arena<Float>

  init(_ plan: OwnerRound.Plan, parameters: Arena<Float>) {
    let (groups, slices, wire) = (plan.groups, plan.slices.elements, plan.wire)
    let owners = groups.ownersServed(by: plan.rank).filter { !slices[$0].isEmpty }
    let sendsOwn = groups.ranges.count > 1 && !plan.owned.isEmpty
    let room = owners.reduce(sendsOwn ? plan.owned.count : 0) { $0 + slices[$1].count }
    memory = Arena(count: wire == .float32 || groups.ranges.count == 1 ? 0 : wire.length(of: room))
    var free = memory.base
    func numbers(_ slice: Range<Int>) -> PackedNumbers {
      defer { free += wire.length(of: slice.count) }
      return PackedNumbers(values: parameters.base + slice.lowerBound, count: slice.count, packed: free)
    }
    if sendsOwn, wire == .bfloat16 { own = [numbers(plan.owned)] }
    for other in groups.ranges.indices where other != plan.group && sendsOwn {
      let courier = groups.courier(in: other, forOwner: plan.rank)
      sends.append(
        own.first?.message(with: courier) ?? Message(peer: courier, memory: parameters.buffer(plan.owned)))
    }
    for owner in owners where groups.ranges.count > 1 {
      guard wire == .bfloat16 else {
        receives.append(Message(peer: owner, memory: parameters.buffer(slices[owner])))
        continue
      }
      others.append(numbers(slices[owner]))
      receives += others.suffix(1).map { $0.message(with: owner) }
    }
  }

  /// Before the own slice travels, which holds numbers as they travel.
  func pack() { for numbers in own { numbers.pack() } }

  /// After the others' have come.
  func unpack() { for numbers in others { numbers.unpack() } }
}
