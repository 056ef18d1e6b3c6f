/// How a process was started, as its environment tells.
package enum Launch: Equatable, Sendable {
  /// By a launcher that MPI understands; with the number of ranks, where the launcher says it.
  case mpi(expectedSize: Int?)
  /// By itself: it is the only rank.
  case single

  /// Steps of Slurm from here on are no numbered steps: the batch script (4294967291), an interactive
  /// shell (4294967290) and the like (SLURM_MAX_NORMAL_STEP_ID in slurm.h).
  private static let firstSpecialStep: UInt32 = 0xFFFF_FFF0

  /// Decides from the variables that launchers set.
  ///
  /// - mpirun sets OMPI_COMM_WORLD_SIZE; `srun --mpi=pmix` and others PMIX_RANK; older ones PMI_RANK and
  ///   PMI_SIZE.
  /// - One of several tasks of a Slurm step without any of these is refused: each task would train alone.
  /// - A batch script or an interactive shell inside a job of several tasks is not a task of a step; what
  ///   is started there without a launcher is one process.
  package static func decide(from environment: [String: String]) throws(MessagePassingError) -> Launch {
    if let size = environment["OMPI_COMM_WORLD_SIZE"] { return .mpi(expectedSize: Int(size)) }
    if environment["PMIX_RANK"] != nil { return .mpi(expectedSize: nil) }
    if environment["PMI_RANK"] != nil, let size = environment["PMI_SIZE"] {
      return .mpi(expectedSize: Int(size))
    }
    if let step = environment["SLURM_STEP_ID"].flatMap({ UInt32($0) }), step < firstSpecialStep,
      let task = environment["SLURM_PROCID"],
      let tasks = (environment["SLURM_STEP_NUM_TASKS"] ?? environment["SLURM_NTASKS"]).flatMap({ Int($0) }),
      tasks > 1
    {
      throw MessagePassingError(
        at: "task \(task) of \(tasks) in Slurm step \(step)",
        expected: "the variables by which MPI finds the other ranks (PMIX_RANK)", found: "none of them",
        remedy: "Start with `srun --mpi=pmix`, or with mpirun inside the job.")
    }
    return .single
  }
}
