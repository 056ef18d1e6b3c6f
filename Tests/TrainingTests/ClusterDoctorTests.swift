import Testing
import Training

/// The checks of `lockstep doctor --cluster`, each on what ranks could have gathered.
@Suite struct ClusterDoctorTests {
  /// Ranks dealt to machines in so large groups, on which all is well.
  private func cluster(_ counts: Int..., change: (Int, inout ClusterRank) -> Void = { _, _ in })
    -> ClusterInputs
  {
    var (ranks, machines): ([ClusterRank], [Range<Int>]) = ([], [])
    for (index, count) in counts.enumerated() {
      machines.append(ranks.count..<ranks.count + count)
      for core in 0..<count {
        var rank = ClusterRank(
          place: RankPlace(
            machine: "node\(index + 1)", processors: [core], cores: [core], machineCores: 8, usable: 8,
            threads: 1))
        (rank.version, rank.program, rank.programPath) = ("1.0", "0123456789abcdef", "/opt/lockstep")
        (rank.mpiLibrary, rank.oneDNN) = ("Open MPI v4.1.4", "oneDNN 2.6")
        rank.processor = "Xeon, avx512_core"
        rank.components = ["btl self", "btl tcp", "btl vader", "pml ob1"]
        rank.addresses = ["eth0 10.0.0.\(index + 1)/24"]
        rank.sharedMemory = .init(path: "/dev/shm", failure: nil, free: 8e9)
        rank.folder = .init(path: "/scratch", failure: nil, free: 1e12)
        rank.clock = [100, 101, 102]
        change(ranks.count, &rank)
        ranks.append(rank)
      }
    }
    var inputs = ClusterInputs(ranks: ranks, machines: machines)
    for machine in machines where machine.count > 1 {
      inputs.inside.append(link(machine.lowerBound, machine.lowerBound + 1, 1e-6, 5e9))
    }
    for (one, other) in zip(machines, machines.dropFirst()) {
      inputs.between.append(link(one.lowerBound, other.lowerBound, 20e-6, 1.2e9))
    }
    inputs.sum = SumFigures(bytes: 4_194_304, seconds: 4e-3, latencySeconds: 5e-6)
    return inputs
  }

  private func link(_ first: Int, _ second: Int, _ latency: Double, _ rate: Double) -> LinkFigures {
    LinkFigures(first: first, second: second, latencySeconds: latency, bytesPerSecond: rate)
  }

  private func check(_ name: String, _ inputs: ClusterInputs) throws -> DoctorCheck {
    try #require(Doctor.examine(inputs).checks.first { $0.name == name })
  }

  @Test func aWellClusterIsDescribed() throws {
    let inputs = cluster(2, 2)
    let report = Doctor.examine(inputs)
    #expect(report.checks.allSatisfy { $0.state == .ok }, "\(report.text())")
    #expect(report.exitCode == 0)
    let text = report.text(width: 400)
    for part in [
      "4 on 2 machines: 2 on node1, 2 on node2", "lockstep 1.0", "Open MPI v4.1.4, oneDNN 2.6",
      "1 thread a rank, bound to 1 core", "shared memory (vader) inside machines, TCP between them",
      "1.0 µs, 5.00 GB/s", "20.0 µs, 1.20 GB/s", "5.0 µs for one number; 4.00 ms for 4.0 MiB, 1.05 GB/s",
      "least on node", "within 0.0 ms", "all ranks see what rank 0 writes there",
    ] { #expect(text.contains(part), "\(part)?\n\(text)") }
    // On one machine there is nothing between machines, and no second clock.
    #expect(!Doctor.examine(cluster(2)).checks.contains { ["between machines", "clocks"].contains($0.name) })
    let one = try check("ranks", cluster(1))
    #expect(one.state == .warning && one.fix?.contains("mpirun -np 4 lockstep doctor --cluster") == true)
  }

  @Test func unequalProgramsLibrariesAndProcessorsAreProblems() throws {
    let program = try check("program", cluster(2, 1) { rank, it in if rank == 2 { it.program = "ffff" } })
    #expect(program.state == .problem && program.found.contains("rank 2: lockstep 1.0, ffff"))
    #expect(program.found.contains("ranks 0, 1: lockstep 1.0, 0123456789ab (/opt/lockstep on node1)"))
    #expect(program.fix?.contains("one build on all machines") == true)
    let library = try check(
      "libraries", cluster(1, 1) { rank, it in if rank == 1 { it.mpiLibrary = "Open MPI v5.0.1" } })
    #expect(library.state == .problem && library.found.contains("rank 1 on node2: Open MPI v5.0.1"))
    #expect(library.fix?.contains("module") == true)
    let processor = try check(
      "processors", cluster(1, 1) { rank, it in if rank == 1 { it.processor = "Ryzen, avx2" } })
    #expect(processor.state == .problem && processor.fix?.contains("DNNL_MAX_CPU_ISA") == true)
  }

  @Test func bindingIsJudgedAsAtTheStartOfATraining() throws {
    let shared = try check(
      "binding", cluster(2, 2) { rank, it in (it.place.processors, it.place.cores) = ([0], [0]) })
    #expect(shared.state == .warning)
    #expect(shared.found.contains("ranks 0, 1 on node1 share 1 core of 8; ranks 2, 3 on node2 share"))
    #expect(shared.fix?.hasPrefix("Give each rank cores of its own: mpirun --map-by slot:PE=1") == true)
    let free = try check(
      "binding",
      cluster(2) { rank, it in (it.place.processors, it.place.cores) = (Array(0..<8), Array(0..<8)) })
    #expect(free.state == .ok && free.found == "1 thread a rank, not bound, on 8 cores")
  }

  @Test func transportsAreRead() throws {
    let maps = """
      7f00-7f01 r-xp 0000 08:01 1 /usr/lib/openmpi/mca_pml_ob1.so
      7f01-7f02 r-xp 0000 08:01 1 /usr/lib/openmpi/mca_btl_tcp.so
      7f02-7f03 rw-p 0000 08:01 1 /usr/lib/openmpi/mca_btl_tcp.so
      7f02-7f03 rw-p 0000 08:01 1 /usr/lib/openmpi/mca_coll_tuned.so
      7f03-7f04 rw-p 0000 00:00 0
      """
    #expect(OpenMPIComponents.names(inMaps: maps) == ["btl tcp", "pml ob1"])
    func name(_ components: Set<String>, inside: Bool) -> String? {
      OpenMPIComponents.transport(components, insideMachine: inside)
    }
    #expect(name(["pml ob1", "btl vader", "btl tcp"], inside: true) == "shared memory (vader)")
    #expect(name(["pml ob1", "btl vader", "btl tcp"], inside: false) == "TCP")
    #expect(name(["pml ucx", "btl tcp"], inside: false) == "UCX")
    #expect(name(["pml cm", "mtl psm2"], inside: false) == "psm2 (mtl)")
    #expect(name([], inside: true) == nil)

    let slow = try check("transport", cluster(2) { _, it in it.components = ["btl tcp", "pml ob1"] })
    #expect(slow.state == .warning && slow.fix?.contains("OMPI_MCA_btl") == true)
    // What one rank lacks nobody can use with it.
    let lacking = try check(
      "transport", cluster(3) { rank, it in if rank == 1 { it.components = ["btl tcp", "pml ob1"] } })
    #expect(lacking.state == .warning && lacking.found.contains("TCP inside"))
    let fabric = try check("transport", cluster(1, 1) { _, it in it.hasFabric = true })
    #expect(fabric.state == .warning && fabric.fix?.contains("ucx") == true)
    let told = try check(
      "transport", cluster(1, 1) { _, it in it.networkSettings = ["btl_tcp_if_include 10.0.0.0/24"] })
    #expect(told.state == .ok && told.found.hasSuffix("btl_tcp_if_include 10.0.0.0/24"))
  }

  @Test func slowMessagesAreTold() throws {
    var inputs = cluster(1, 1, 1)
    inputs.between[1].bytesPerSecond = 11e6
    let between = try check("between machines", inputs)
    #expect(between.state == .warning && between.found.contains("11.0 MB/s each way (slowest ranks 1 and 2)"))
    #expect(
      between.fix?.contains("btl_tcp_if_include") == true && between.fix?.contains("eth0 10.0.0.2/24") == true
    )
    inputs.between[0].latencySeconds = 90e-6
    #expect(try check("between machines", inputs).found.hasPrefix("90.0 µs, 11.0 MB/s"))
    var close = cluster(2)
    close.inside[0].latencySeconds = 5e-3
    #expect(try check("inside machines", close).state == .warning)
    #expect(Doctor.examine(close).exitCode == 0)
  }

  @Test func clocksThatDifferAreTold() throws {
    let late = try check("clocks", cluster(1, 1) { rank, it in if rank == 1 { it.clock = [97, 98.5, 99] } })
    #expect(late.state == .warning && late.found == "node2 is 2.5 s behind rank 0's machine")
    let near = try check(
      "clocks", cluster(1, 1) { rank, it in if rank == 1 { it.clock = [100.2, 101.0004, 103] } })
    #expect(near.state == .ok && near.found.contains("0.4 ms"))
  }

  @Test func foldersThatAreNotSeenAreTold() throws {
    let unshared = try check("run folder", cluster(2, 2) { rank, it in it.seesFile = rank < 2 })
    #expect(unshared.state == .warning && unshared.found.contains("ranks 2, 3 on node2 do not see"))
    #expect(unshared.fix?.contains("all machines mount") == true)
    let elsewhere = try check(
      "run folder",
      cluster(1, 1) { rank, it in if rank == 1 { (it.seesFile, it.folder.path) = (false, "/root") } })
    #expect(elsewhere.found.contains("look in /root") && elsewhere.fix?.contains("--wdir /scratch") == true)
    let denied = try check(
      "run folder", cluster(1, 1) { rank, it in if rank == 0 { it.folder.failure = "denied" } })
    #expect(denied.state == .problem)
    // Where rank 0 cannot write, nobody sees a file of it: that is the reason.
    let cause = try check(
      "run folder",
      cluster(1, 1) { rank, it in
        if rank == 0 { it.folder.failure = "denied" }
        it.seesFile = false
      })
    #expect(cause == denied)
  }

  @Test func theMachineWithLeastSharedMemoryCounts() throws {
    let little = try check(
      "shared memory", cluster(1, 2, 1) { rank, it in if rank == 1 { it.sharedMemory.free = 0x1p26 } })
    #expect(little.state == .warning && little.found.hasSuffix("least on node2"))
    let none = try check(
      "shared memory", cluster(1, 1) { rank, it in if rank == 1 { it.sharedMemory.failure = "none" } })
    #expect(none.state == .problem && none.found.hasSuffix("least on node2"))
  }

  @Test func whatIsWaitedForIsNamed() {
    let report = Doctor.unreachable(
      stage: "passing messages between ranks 0 and 2, on two machines", seconds: 30)
    #expect(report.exitCode == 1)
    let text = report.text(width: 400)
    #expect(text.contains("still passing messages between ranks 0 and 2, on two machines after 30 s"))
    #expect(text.contains("btl_tcp_if_include") && text.contains("ldd"))
  }
}
