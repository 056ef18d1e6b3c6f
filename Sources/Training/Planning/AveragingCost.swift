import Averaging
import Foundation
import TensorCore

/// What the ranks tell each other in a step, and how long it takes where none waits for another.
public struct AveragingCost: Sendable, Equatable, Codable {
  /// How gradients travel.
  public var strategy: String
  /// What the busiest rank receives from ranks of its machine, in bytes.
  public var bytesInside: Double
  /// What a machine receives from the others through its connection, in bytes.
  public var bytesBetween: Double
  /// Messages that wait for one another, one after the other, in a machine and between machines.
  public var (messagesInside, messagesBetween): (Double, Double)
  /// Seconds for the bytes.
  public var transfer: Double
  /// Seconds for the messages, however short.
  public var latency: Double

  public var seconds: Double { transfer + latency }

  private enum CodingKeys: String, CodingKey {
    case strategy, bytesInside, bytesBetween, messagesInside, messagesBetween, transfer, latency
  }

  /// - Parameters:
  ///   - inside: between ranks of a machine.
  ///   - network: between machines.
  init(_ subject: PlanSubject, on machines: RanksOnMachines, inside: NetworkFigures, network: NetworkFigures)
  {
    let traffic = Traffic(subject, machines)
    strategy = subject.averaging.rawValue
    (bytesInside, bytesBetween) = (traffic.bytesInside, traffic.bytesBetween)
    (messagesInside, messagesBetween) = (traffic.messagesInside, traffic.messagesBetween)
    transfer = bytesInside / inside.bytesPerSecond + bytesBetween / network.bytesPerSecond
    latency = messagesInside * inside.latencySeconds + messagesBetween * network.latencySeconds
  }
}

/// How many ranks there are, and how many of them share a machine.
struct RanksOnMachines: Equatable {
  let ranks: Int
  /// On a machine that is full.
  let perMachine: Int
  var machines: Int { (ranks + perMachine - 1) / perMachine }
}

/// Bytes and messages of a step.
private struct Traffic {
  var bytesInside = 0.0
  var bytesBetween = 0.0
  var messagesInside = 0.0
  var messagesBetween = 0.0

  private let ranks: Double
  private let here: Double
  private let isOneMachine: Bool
  /// Above this many bytes, libraries pass pieces round in a ring instead of doubling what they pass on.
  private static let longMessage = 65_536.0

  init(_ subject: PlanSubject, _ machines: RanksOnMachines) {
    (ranks, here) = (Double(machines.ranks), Double(min(machines.perMachine, machines.ranks)))
    isOneMachine = machines.machines == 1
    guard machines.ranks > 1 else { return }
    let (layout, share) = (subject.objective.layout, RankShare(subject, batch: subject.batch))
    let vector = 4 * Double(layout.count)
    let riders = 4 * Double(layout.riders.count)
    let packed = subject.wire == .float32 ? vector : vector / 2
    switch subject.averaging {
    case .ordered:
      // Every rank gets, from every other, each of its sums' part of the slice, with its riders.
      let partials = Double(share.allPartials) / ranks
      exchange(bytesFromEach: partials * (packed / ranks + riders), messagesFromEach: 2 * partials)
      gather(packed)
    case .shared:
      shared(vector, riders, Double(share.allPartials) / ranks, machines: Double(machines.machines))
      if subject.wire != .float32 { bytesBetween /= 2 }
    case .periodic:
      shared(vector, riders, Double(share.allPartials) / ranks, machines: 1)
      guard machines.machines > 1 else { break }
      let (others, period) = (Double(machines.machines - 1), Double(subject.period))
      bytesBetween += 2 * packed * others / (others + 1) / period
      messagesBetween += 2 * others / period
    case .allreduce:
      for bucket in Buckets(layout, bytes: subject.bucketBytes).ranges {
        gather(4 * Double(bucket.count))
        gather(4 * Double(bucket.count))
      }
    }
    // Clipping, LARS and LAMB tell each other sums of squares, one a block.
    let blocks = 8 * Double(layout.blocks.count)
    let isWhole = subject.averaging == .allreduce
    guard !isWhole, subject.averaging != .periodic || isOneMachine else { return }
    if subject.optimizer.clipNorm != nil { gather(blocks) }
    if subject.optimizer.rule.usesNorms { gather(blocks) }
  }

  /// Everybody to everybody at once.
  private mutating func exchange(bytesFromEach bytes: Double, messagesFromEach messages: Double) {
    bytesInside += (here - 1) * bytes
    messagesInside += (here - 1) * messages
    guard !isOneMachine else { return }
    bytesBetween += here * (ranks - here) * bytes
    messagesBetween += 1
  }

  /// So many bytes, of which each rank has its part, to everybody.
  private mutating func gather(_ bytes: Double) {
    let received = bytes * (ranks - 1) / ranks
    let rounds = bytes > Self.longMessage ? ranks - 1 : ranks > 1 ? log2(ranks).rounded(.up) : 0
    bytesInside += here > 1 ? received : 0
    if isOneMachine { messagesInside += rounds } else { messagesBetween += rounds }
    if !isOneMachine { bytesBetween += received }
  }

  /// Read in place inside a machine, behind two barriers; between machines slice by slice.
  private mutating func shared(_ vector: Double, _ riders: Double, _ partials: Double, machines: Double) {
    bytesInside += (here - 1) * partials * (vector / here / machines + riders)
    messagesInside += here > 1 ? 2 * log2(here).rounded(.up) : 0
    guard machines > 1 else { return }
    bytesBetween += 2 * vector * (machines - 1) / machines
    messagesBetween += 2 * (machines - 1)
  }
}
