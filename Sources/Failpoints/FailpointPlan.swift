import Foundation
import Synchronization

/// What `LOCKSTEP_FAILPOINTS` asks for.
package final class FailpointPlan: Sendable {
  package static let variable = "LOCKSTEP_FAILPOINTS"
  /// How often `lockstep launch` has begun the run again; unset: never.
  package static let restartVariable = "LOCKSTEP_RESTART"

  /// One entry: what happens, where, and on which conditions.
  package struct Entry: Sendable, Equatable {
    package var place: Failpoint
    package var action: Failpoint.Action
    package var rank: Int?
    package var step: Int?
    package var restart: Int?
    package var after = 0
    package var times = 1

    package init(place: Failpoint, action: Failpoint.Action) { (self.place, self.action) = (place, action) }
  }

  /// An entry that cannot be read.
  package struct Mistake: Error, Equatable, CustomStringConvertible {
    package let text: String
    package let expected: String

    package var description: String { "\(FailpointPlan.variable): expected \(expected), found \(text)" }
  }

  static let isActive = environment[variable] != nil
  static let rank = Atomic<Int>(0)
  static let step = Atomic<Int>(0)

  /// The process ends at the first failpoint where the variable cannot be read: a fault that is asked for and does not
  /// happen would prove something that is not so.
  static let shared: FailpointPlan = {
    do {
      return FailpointPlan(
        try entries(of: environment[variable] ?? ""),
        restart: environment[restartVariable].flatMap(Int.init) ?? 0)
    } catch {
      FileHandle.standardError.write(Data("lockstep: \(error)\n".utf8))
      exit(2)
    }
  }()

  private static var environment: [String: String] { ProcessInfo.processInfo.environment }

  private let entries: [Entry]
  private let restart: Int
  /// How often each entry's conditions have held.
  private let comings: Mutex<[Int]>

  package init(_ entries: [Entry], restart: Int) {
    self.entries = entries
    self.restart = restart
    comings = Mutex([Int](repeating: 0, count: entries.count))
  }

  /// What happens at a place now, or nil; counts the coming.
  package func action(at place: Failpoint, rank: Int, step: Int) -> Failpoint.Action? {
    comings.withLock { comings in
      for (index, entry) in entries.enumerated() {
        guard entry.place == place, entry.rank ?? rank == rank, entry.step ?? step == step,
          entry.restart ?? restart == restart
        else { continue }
        comings[index] += 1
        if comings[index] > entry.after, comings[index] <= entry.after + entry.times { return entry.action }
      }
      return nil
    }
  }

  package static func entries(of text: String) throws(Mistake) -> [Entry] {
    var entries: [Entry] = []
    for part in text.split(separator: ";") { entries.append(try entry(of: String(part))) }
    return entries
  }

  private static func entry(of text: String) throws(Mistake) -> Entry {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    guard (2...3).contains(parts.count) else {
      throw Mistake(text: text, expected: "place:action or place:action:condition,…")
    }
    guard let place = Failpoint(rawValue: parts[0]) else {
      throw Mistake(
        text: parts[0], expected: "one of " + Failpoint.allCases.map(\.rawValue).joined(separator: ", "))
    }
    guard let action = Failpoint.Action(rawValue: parts[1]) else {
      throw Mistake(
        text: parts[1],
        expected: "one of " + Failpoint.Action.allCases.map(\.rawValue).joined(separator: ", "))
    }
    var entry = Entry(place: place, action: action)
    for condition in parts.dropFirst(2).flatMap({ $0.split(separator: ",") }) {
      let pair = condition.split(separator: "=")
      guard pair.count == 2, let value = Int(pair[1]), value >= 0 else {
        throw Mistake(text: String(condition), expected: "a condition as step=20")
      }
      switch pair[0] {
      case "rank": entry.rank = value
      case "step": entry.step = value
      case "restart": entry.restart = value
      case "after": entry.after = value
      case "times": entry.times = value
      default:
        throw Mistake(text: String(condition), expected: "one of rank, step, restart, after, times")
      }
    }
    return entry
  }
}
