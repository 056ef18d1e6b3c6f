/// Programs that tests start under mpirun.
package enum MPIRun {
  /// Runs `executable` (the name of a built one, or a path) as `ranks` ranks, to its end.
  ///
  /// More ranks than cores are allowed, and no rank is bound to a core, so that runs side by side share the
  /// machine. Throws when mpirun is missing or the run takes more than `timeout` seconds.
  package static func run(
    ranks: Int, executable: String, arguments: [String] = [], environment: [String: String] = [:],
    directory: String? = nil, timeout: Double = 60
  ) throws -> ProgramResult {
    try start(
      ranks: ranks, executable: executable, arguments: arguments, environment: environment,
      directory: directory
    ).wait(timeout: timeout)
  }

  /// Starts such a run and returns at once.
  package static func start(
    ranks: Int, executable: String, arguments: [String] = [], environment: [String: String] = [:],
    directory: String? = nil
  ) throws -> RunningProgram {
    let root = ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"]
    let options = ["--oversubscribe", "--bind-to", "none", "-np", "\(ranks)"]
    return try RunningProgram(
      executable: "mpirun", arguments: options + [try Program.path(of: executable)] + arguments,
      environment: root.merging(environment) { $1 }, directory: directory)
  }
}
