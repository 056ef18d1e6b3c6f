import Foundation
import Testing
import Yams

/// A mapping of a YAML file, and where in it it stands.
struct ManifestSection {
  let path: String
  let fields: [String: Any]

  init(_ value: Any?, path: String) throws {
    guard let fields = value as? [String: Any] else { throw Unexpected("\(path): expected a mapping") }
    (self.path, self.fields) = (path, fields)
  }

  func section(_ name: String) throws -> ManifestSection { try Self(fields[name], path: "\(path).\(name)") }

  func sections(_ name: String) throws -> [ManifestSection] {
    guard let list = fields[name] as? [Any] else { throw Unexpected("\(path).\(name): expected a list") }
    return try list.enumerated().map { try Self($0.element, path: "\(path).\(name)[\($0.offset)]") }
  }

  func string(_ name: String) throws -> String {
    guard let value = fields[name] as? String else { throw Unexpected("\(path).\(name): expected a string") }
    return value
  }

  func strings(_ name: String) throws -> [String] {
    guard let value = fields[name] as? [String] else { throw Unexpected("\(path).\(name): expected strings") }
    return value
  }

  func number(_ name: String) throws -> Int {
    guard let value = fields[name] as? Int else {
      throw Unexpected("\(path).\(name): expected a whole number")
    }
    return value
  }

  /// Fails for names that the schema does not have, and for those that are missing.
  func check(known: [String], required: [String] = []) {
    #expect(Set(fields.keys).subtracting(known) == [], "\(path)")
    #expect(Set(required).subtracting(fields.keys) == [], "\(path)")
  }
}

/// `cluster/kubernetes/mpijob.yaml`.
struct KubernetesManifest {
  let root: ManifestSection
  let spec: ManifestSection

  init(_ name: String) throws {
    root = try ManifestSection(Yams.load(yaml: ClusterFiles.text(name)), path: name)
    spec = try root.section("spec")
  }

  func replica(_ kind: String) throws -> ManifestSection { try spec.section("mpiReplicaSpecs").section(kind) }

  func pod(of kind: String) throws -> ManifestSection {
    try replica(kind).section("template").section("spec")
  }

  func container(of kind: String) throws -> ManifestSection {
    let containers = try pod(of: kind).sections("containers")
    guard containers.count == 1 else { throw Unexpected("\(kind): \(containers.count) containers") }
    return containers[0]
  }
}

/// The fields of an MPIJob as the definition `kubeflow.org/v2beta1` has them, and of pods, as far as they are used.
@Suite struct KubernetesManifestTests {
  private let job: KubernetesManifest

  init() throws { job = try KubernetesManifest("kubernetes/mpijob.yaml") }

  @Test func theJobHasTheFieldsOfItsDefinition() throws {
    job.root.check(
      known: ["apiVersion", "kind", "metadata", "spec"], required: ["apiVersion", "kind", "metadata", "spec"])
    #expect(try job.root.string("apiVersion") == "kubeflow.org/v2beta1")
    #expect(try job.root.string("kind") == "MPIJob")
    _ = try job.root.section("metadata").string("name")
    job.spec.check(
      known: [
        "launcherCreationPolicy", "mpiImplementation", "mpiReplicaSpecs", "runLauncherAsWorker", "runPolicy",
        "slotsPerWorker", "sshAuthMountPath",
      ], required: ["mpiReplicaSpecs"])
    #expect(["AtStartup", "WaitForWorkersReady"].contains(try job.spec.string("launcherCreationPolicy")))
    #expect(["OpenMPI", "Intel", "MPICH"].contains(try job.spec.string("mpiImplementation")))
    let policy = try job.spec.section("runPolicy")
    policy.check(known: [
      "activeDeadlineSeconds", "backoffLimit", "cleanPodPolicy", "managedBy", "schedulingPolicy", "suspend",
      "ttlSecondsAfterFinished",
    ])
    #expect(["None", "Running", "All"].contains(try policy.string("cleanPodPolicy")))
  }

  @Test(arguments: ["Launcher", "Worker"]) func aReplicaHasThoseOfAPod(_ kind: String) throws {
    try job.spec.section("mpiReplicaSpecs").check(
      known: ["Launcher", "Worker"], required: ["Launcher", "Worker"])
    let replica = try job.replica(kind)
    replica.check(known: ["replicas", "restartPolicy", "template"], required: ["replicas", "template"])
    #expect(["Always", "OnFailure", "Never", "ExitCode"].contains(try replica.string("restartPolicy")))
    if kind == "Launcher" { #expect(try replica.number("replicas") == 1) }
    try replica.section("template").check(known: ["metadata", "spec"], required: ["spec"])
    let pod = try job.pod(of: kind)
    pod.check(
      known: ["containers", "securityContext", "terminationGracePeriodSeconds", "volumes"],
      required: ["containers"])
    let container = try job.container(of: kind)
    container.check(
      known: ["args", "command", "image", "name", "resources", "volumeMounts"],
      required: ["command", "image", "name"])
    // Whoever reads the keys is the user whom the image has, and whose home they are mounted in.
    #expect(try pod.section("securityContext").number("runAsUser") == 1000)
    #expect(
      try ClusterFiles.text("kubernetes/Dockerfile").contains("useradd --uid 1000 --create-home mpiuser"))
    #expect(try job.spec.string("sshAuthMountPath") == "/home/mpiuser/.ssh")
    // Every mounted volume is there.
    let volumes = try Set(pod.sections("volumes").map { try $0.string("name") })
    for mount in try container.sections("volumeMounts") {
      mount.check(known: ["mountPath", "name", "readOnly", "subPath"], required: ["mountPath", "name"])
      #expect(volumes.contains(try mount.string("name")), "\(mount.path)")
    }
  }

  @Test func bothHaveTheSameImageAndTheRunsFolder() throws {
    let (launcher, worker) = (try job.container(of: "Launcher"), try job.container(of: "Worker"))
    #expect(try launcher.string("image") == worker.string("image"))
    for container in [launcher, worker] {
      #expect(try container.sections("volumeMounts").contains { try $0.string("mountPath") == "/runs" })
    }
    // The ranks of a worker share memory beyond the 64 MiB that a container has.
    #expect(try worker.sections("volumeMounts").contains { try $0.string("mountPath") == "/dev/shm" })
    #expect(
      try worker.strings("command") + worker.strings("args") == [
        "/usr/sbin/sshd", "-De", "-f", "/home/mpiuser/.sshd_config",
      ])
  }
}
