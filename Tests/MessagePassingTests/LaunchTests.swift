import DistributedScenarios
import MessagePassing
import Testing

/// How a process finds out whether it has company.
@Suite struct LaunchTests {
  struct Row: Sendable, CustomStringConvertible {
    let description: String
    let environment: [String: String]
    /// nil: refused.
    let launch: Launch?
  }

  static let table = [
    Row(description: "nothing at all", environment: ["PATH": "/bin"], launch: .single),
    Row(
      description: "mpirun", environment: ["OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"],
      launch: .mpi(expectedSize: 4)),
    Row(
      description: "mpirun with one rank", environment: ["OMPI_COMM_WORLD_SIZE": "1"],
      launch: .mpi(expectedSize: 1)),
    Row(
      description: "mpirun in a batch script, whose daemon is task 0 of a step",
      environment: [
        "OMPI_COMM_WORLD_SIZE": "8", "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0",
      ], launch: .mpi(expectedSize: 8)),
    Row(
      description: "srun --mpi=pmix",
      environment: ["PMIX_RANK": "0", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"],
      launch: .mpi(expectedSize: nil)),
    Row(
      description: "srun --mpi=pmi2",
      environment: [
        "PMI_RANK": "2", "PMI_SIZE": "4", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "2",
      ], launch: .mpi(expectedSize: 4)),
    Row(
      description: "srun without MPI",
      environment: ["SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3"], launch: nil),
    Row(
      description: "srun without MPI, told by the step alone",
      environment: ["SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_ID": "7", "SLURM_PROCID": "0"], launch: nil),
    Row(
      description: "srun of one task",
      environment: ["SLURM_NTASKS": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"], launch: .single),
    Row(
      description: "srun of one task in a larger job",
      environment: [
        "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0",
      ], launch: .single),
    Row(
      description: "a batch script", environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0"],
      launch: .single),
    Row(
      description: "a batch script that tells its special step",
      environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_ID": "4294967291"],
      launch: .single),
    Row(
      description: "an interactive shell of salloc",
      environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_ID": "4294967290"],
      launch: .single),
    Row(
      description: "a step that is no number",
      environment: ["SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_ID": "batch"], launch: .single),
    Row(
      description: "half of PMI is none",
      environment: ["PMI_RANK": "0", "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"],
      launch: nil),
  ]

  @Test(arguments: table) func theEnvironmentDecides(_ row: Row) throws {
    if let launch = row.launch {
      #expect(try Launch.decide(from: row.environment) == launch)
    } else {
      let error = try #require(throws: MessagePassingError.self) {
        try Launch.decide(from: row.environment)
      }
      #expect(error.diagnosis.remedy.contains("srun --mpi=pmix"))
    }
  }

  @Test func aProgramWithoutALauncherIsOneRankWithoutMPI() throws {
    let result = try Program.run(executable: "distributed-runner", arguments: ["describe"])
    #expect(result.standardOutput == "rank 0 of 1, alone\n", "\(result)")
    #expect(result.exitCode == 0)
  }

  @Test func aProgramUnderMpirunIsARankOverMPI() throws {
    let result = try MPIRun.run(ranks: 2, executable: "distributed-runner", arguments: ["describe"])
    let lines = result.standardOutput.split(separator: "\n").sorted()
    #expect(lines == ["rank 0 of 2, over MPI", "rank 1 of 2, over MPI"], "\(result)")
    #expect(result.exitCode == 0)
  }

  @Test func aTaskOfSrunWithoutMPIIsRefusedWithTheFix() throws {
    let environment = ["SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3"]
    let result = try Program.run(
      executable: "distributed-runner", arguments: ["describe"], environment: environment)
    #expect(result.exitCode == 2)
    #expect(result.standardError.contains("srun --mpi=pmix"), "\(result)")
    #expect(result.standardOutput.isEmpty)
  }

  /// As when the mpirun of another MPI library has started the program.
  @Test func aLibraryThatDoesNotSeeItsLaunchersRanksIsRefused() throws {
    let environment = ["PMI_RANK": "1", "PMI_SIZE": "4", "OMPI_MCA_plm": "isolated"]
    let result = try Program.run(
      executable: "distributed-runner", arguments: ["describe"], environment: environment)
    #expect(result.exitCode == 2, "\(result)")
    #expect(result.standardError.contains("expected 4 ranks"), "\(result)")
  }

  @Test func theLibraryTellsItsVersionWithoutBeingBegun() {
    #expect(MPILibrary.version.hasPrefix("Open MPI v"), "\(MPILibrary.version)")
  }
}
