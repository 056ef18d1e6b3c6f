import Lockstep

/// `--time-limit` and `--hang-timeout`, in seconds.
enum TimesOption {
  static func seconds(limit: String?, hang: String) throws -> (limit: Double?, hang: Double) {
    let seconds = try limit.map { try DurationText.seconds($0, at: "--time-limit") }
    if let seconds, seconds < 1 {
      throw ConfigurationError(
        at: "--time-limit", expected: "at least a second", found: limit ?? "",
        remedy: "Leave it out for a run without a limit.")
    }
    let patience = try DurationText.seconds(hang, at: "--hang-timeout")
    if patience > 0, patience < 1 {
      throw ConfigurationError(
        at: "--hang-timeout", expected: "0, for never, or at least a second", found: hang,
        remedy: "Allow for what a rank may need between two instructions.")
    }
    return (seconds, patience)
  }
}
