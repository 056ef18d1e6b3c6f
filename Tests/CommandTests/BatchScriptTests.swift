import DistributedScenarios
import Foundation
import Testing

/// The scripts for batch systems that are not here, under variables such as theirs, with an `mpirun` that only notes how
/// it was called, and ends as told.
@Suite struct BatchScriptTests {
  /// A script and the surroundings that its batch system makes.
  private final class Rehearsal {
    let place: Workplace

    init() throws {
      place = try Workplace()
      try stub(
        "mpirun",
        """
        printf '%s ' "$@" >mpirun.called
        env | grep OMPI_MCA >mpirun.environment
        while [ $# -gt 0 ]; do
          if [ "$1" = --hostfile ]; then cat "$2" >mpirun.hosts; fi
          shift
        done
        exit $ENDING
        """)
    }

    func stub(_ name: String, _ text: String) throws {
      try place.writeProgram("#!/bin/bash\n\(text)", to: "bin/\(name)")
    }

    func run(
      _ script: String, _ arguments: [String] = [], ending: Int, environment: [String: String] = [:]
    ) throws -> ProgramResult {
      let own = ["ENDING": "\(ending)", "PATH": ClusterFiles.searchPath(first: place.file("bin"))]
      return try Program.run(
        executable: "bash", arguments: [ClusterFiles.path(script)] + arguments,
        environment: environment.merging(own) { $1 }.merging(asRoot) { $1 }, directory: place.path)
    }

    /// What a stub has noted.
    func note(_ name: String) -> String {
      let text = try? String(contentsOfFile: place.file(name), encoding: .utf8)
      return (text ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  private static let ranks = "train digits --resume --out runs/it --threads 1"

  @Test func pbsStartsARankForEachLineOfItsFileAndSubmitsItselfAgain() throws {
    let rehearsal = try Rehearsal()
    try rehearsal.stub("qsub", "printf '%s ' \"$@\" >qsub.called")
    try rehearsal.place.write(Array("n1\nn1\nn2\nn2\n".utf8), to: "nodes")
    let environment = [
      "PBS_NODEFILE": rehearsal.place.file("nodes"), "PBS_O_WORKDIR": rehearsal.place.path,
      "config": "digits",
      "folder": "runs/it",
    ]
    let saved = try rehearsal.run("pbs/train.pbs", ending: 75, environment: environment)
    #expect(saved.exitCode == 75, "\(saved)")
    let call = rehearsal.note("mpirun.called")
    #expect(call.hasPrefix("-n 4 --hostfile \(rehearsal.place.file("nodes")) "), "\(call)")
    #expect(
      call.contains(" --map-by slot:PE=1 ") && call.hasSuffix("\(Self.ranks) --time-limit 55m"), "\(call)")
    #expect(
      rehearsal.note("qsub.called") == "-v config=digits,folder=runs/it \(ClusterFiles.path("pbs/train.pbs"))"
    )

    try rehearsal.place.write([], to: "qsub.called")
    #expect(try rehearsal.run("pbs/train.pbs", ending: 0, environment: environment).exitCode == 0)
    #expect(rehearsal.note("qsub.called") == "")
    let nameless = try rehearsal.run("pbs/train.pbs", ending: 0, environment: ["config": "digits"])
    #expect(nameless.exitCode != 0 && nameless.standardError.contains("the folder of the run is missing"))
  }

  @Test func lsfTurnsItsHostsIntoAFileAndHandsTheCodeOn() throws {
    let rehearsal = try Rehearsal()
    let environment = ["LSB_MCPU_HOSTS": "n1 4 n2 3", "config": "digits", "folder": "runs/it"]
    let saved = try rehearsal.run("lsf/train.lsf", ending: 75, environment: environment)
    #expect(saved.exitCode == 75, "\(saved)")
    #expect(rehearsal.note("mpirun.hosts") == "n1 slots=4\nn2 slots=3")
    let call = rehearsal.note("mpirun.called")
    #expect(call.hasPrefix("-n 7 --hostfile "), "\(call)")
    #expect(call.hasSuffix("\(Self.ranks) --time-limit 55m"), "\(call)")
    #expect(rehearsal.note("mpirun.environment").contains("OMPI_MCA_plm_rsh_agent=blaunch"))
    // The code for which -Q has the job queued again.
    #expect(try ClusterFiles.text("lsf/train.lsf").contains("#BSUB -Q \"75\"\n"))
  }

  @Test func gridEngineIsAskedForAnotherStartByItsOwnCode() throws {
    let rehearsal = try Rehearsal()
    let file = "n1 2 all.q@n1 UNDEFINED\nn2 2 all.q@n2 UNDEFINED\n"
    try rehearsal.place.write(Array(file.utf8), to: "pe")
    let environment = ["PE_HOSTFILE": rehearsal.place.file("pe"), "NSLOTS": "4"]
    for (ending, code) in [(75, Int32(99)), (0, 0), (2, 2)] {
      let result = try rehearsal.run(
        "sge/train.sge", ["digits", "runs/it", "--set", "epochs=3"], ending: ending, environment: environment)
      #expect(result.exitCode == code, "\(result)")
    }
    #expect(rehearsal.note("mpirun.hosts") == "n1 slots=2\nn2 slots=2")
    let call = rehearsal.note("mpirun.called")
    #expect(call.hasPrefix("-n 4 --hostfile "), "\(call)")
    #expect(call.hasSuffix("\(Self.ranks) --time-limit 55m --set epochs=3"), "\(call)")
  }

  @Test func aHostFileGivesARankForEachSlot() throws {
    let rehearsal = try Rehearsal()
    let result = try rehearsal.run("hostfile/train.sh", ["digits", "runs/it"], ending: 0)
    #expect(result.exitCode == 0, "\(result)")
    let call = rehearsal.note("mpirun.called")
    #expect(call.hasPrefix("-n 8 --hostfile ") && call.hasSuffix(Self.ranks), "\(call)")
  }

  @Test func theLauncherOnKubernetesUsesAllSlots() throws {
    let rehearsal = try Rehearsal()
    let job = try KubernetesManifest("kubernetes/mpijob.yaml")
    try rehearsal.place.write(Array("lockstep-worker-0.lockstep.default.svc slots=4\n".utf8), to: "hostfile")
    let launcher = try job.container(of: "Launcher")
    let command = try (launcher.strings("command") + launcher.strings("args")).map {
      $0 == "/etc/mpi/hostfile" ? rehearsal.place.file("hostfile") : $0
    }
    let result = try Program.run(
      executable: command[0], arguments: Array(command.dropFirst()),
      environment: asRoot.merging([
        "ENDING": "0", "PATH": ClusterFiles.searchPath(first: rehearsal.place.file("bin")),
      ]) {
        $1
      }, directory: rehearsal.place.path)
    #expect(result.exitCode == 0, "\(result)")
    let slots = try job.spec.number("slotsPerWorker") * job.replica("Worker").number("replicas")
    #expect(rehearsal.note("mpirun.called").hasPrefix("-n \(slots) --hostfile "))
  }

  static let scripts = [
    "slurm/train.sbatch", "slurm/launch.sbatch", "slurm/sweep.sbatch", "pbs/train.pbs", "lsf/train.lsf",
    "sge/train.sge", "hostfile/train.sh", "kubernetes/mpijob.yaml", "kubernetes/Dockerfile",
    "apptainer/lockstep.def",
  ]

  @Test(arguments: scripts) func eachSaysInItsFirstLinesHowToCallItAndWhatToChange(_ script: String) throws {
    let head = try ClusterFiles.text(script).split(separator: "\n").prefix { $0.hasPrefix("#") }
    #expect(head.contains { $0.hasPrefix("# Change: ") }, "\(script)")
    #expect(head.contains { $0.hasPrefix("#   ") }, "\(script)")
    if head.first?.hasPrefix("#!") == true {
      let check = try Program.run(executable: "bash", arguments: ["-n", ClusterFiles.path(script)])
      #expect(check.exitCode == 0, "\(check)")
    }
  }
}
