import MessagePassing

extension Scenario {
  static let setUp: [Scenario] = [
    Scenario("equal fingerprints have no differences") { world in
      let parts = [(name: "data", value: "60000 samples"), (name: "model", value: "")]
      try check(try compareFingerprints(parts, over: world), equals: [], "differences")
    },

    Scenario("a rank with other data is named with its value", ranks: 2...64) { world in
      for odd in 0..<world.size {
        let parts = [
          (name: "program", value: "1.0"),
          (name: "data", value: world.rank == odd ? "59000 samples" : "60000 samples"),
        ]
        let differences = try compareFingerprints(parts, over: world)
        try check(differences.map(\.name), equals: ["data"], "names of the parts that differ")
        let others = (0..<world.size).filter { $0 != odd }
        let holders = [
          FingerprintDifference.Holder(value: "60000 samples", ranks: others),
          FingerprintDifference.Holder(value: "59000 samples", ranks: [odd]),
        ]
        try check(
          differences[0].holders, equals: odd == 0 ? holders.reversed() : holders, "who holds what")
      }
    },

    Scenario("parts that only some ranks have are differences", ranks: 2...64) { world in
      let last = world.size - 1
      var parts = [(name: "program", value: "\(world.rank)")]
      if world.rank == last { parts.insert((name: "plug-in", value: "x"), at: 0) }
      let differences = try compareFingerprints(parts, over: world)
      try check(differences.map(\.name), equals: ["program", "plug-in"], "the parts, those of rank 0 first")
      try check(differences[0].holders.count, equals: world.size, "different programs")
      try check(
        differences[1].holders,
        equals: [.init(value: nil, ranks: Array(0..<last)), .init(value: "x", ranks: [last])],
        "who has the plug-in")
    },

    Scenario("the ranks agree on who has failed") { world in
      try check(try agree(onFailureOf: nil, over: world).count, equals: 0, "failures where nobody failed")
      let failures = try agree(
        onFailureOf: world.rank % 2 == 0 ? "no file \(world.rank % 4)" : nil, over: world)
      let expected = (0..<world.size).filter { $0 % 2 == 0 }
      let numbers = try numbersInJob(world)
      try check(failures.map(\.rank), equals: expected.map { numbers[$0] }, "ranks that failed")
      try check(failures.map(\.message), equals: expected.map { "no file \($0 % 4)" }, "their messages")
    },
  ]
}
