import ArgumentParser

/// `--threads T`, short for `--set threads=T`.
enum ThreadsOption {
  static func check(_ threads: Int?) throws {
    if let threads, !(1...1024 ~= threads) {
      throw ValidationError("--threads must be 1 to 1024, is \(threads)")
    }
  }

  static func overrides(_ threads: Int?) -> [String] { threads.map { ["threads=\($0)"] } ?? [] }
}
