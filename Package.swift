// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "lockstep",
  products: [
    .library(name: "Lockstep", targets: ["Lockstep"]),
    .executable(name: "lockstep", targets: ["lockstep"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // C libraries, by their headers, and the few loops that Swift does not vectorize.
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .target(name: "CImageCodecs", dependencies: ["CPNG", "CJPEG"]),
    .target(name: "CKernels"),
    .target(
      name: "OneDNNPrimitives", dependencies: ["CKernels"], linkerSettings: [.linkedLibrary("dnnl")]),

    // Starting processes so that they end with us, placing threads, and giving memory back, which Swift cannot say.
    .target(name: "CProcesses"),

    // Places where tests have the program fail.
    .target(name: "Failpoints"),

    // The modules; each imports only from the lines above it.
    .target(name: "TensorCore", dependencies: ["COneDNN", "OneDNNPrimitives", "CKernels"]),
    .target(name: "Autodiff", dependencies: ["TensorCore"]),
    .target(name: "Layers", dependencies: ["Autodiff"]),
    .target(name: "Optimizers", dependencies: ["TensorCore", "CKernels"]),
    .target(name: "MessagePassing", dependencies: ["COpenMPI", "TensorCore"]),
    .target(name: "Averaging", dependencies: ["MessagePassing", "Optimizers", "CKernels"]),
    .target(name: "Datasets", dependencies: ["TensorCore", "CZlib", "CImageCodecs"]),
    .target(name: "Checkpoints", dependencies: ["TensorCore", "CXXHash", "Failpoints"]),
    .target(
      name: "Training",
      dependencies: ["Layers", "Averaging", "Datasets", "Checkpoints", "Failpoints", "CProcesses", "Yams"]),
    .target(name: "Lockstep", dependencies: ["Training"]),
    .executableTarget(
      name: "lockstep",
      dependencies: [
        "Lockstep", "Failpoints", "CProcesses",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/Command"),

    // What several ranks must do together, written once: run on threads by the tests, and
    // under mpirun by the runner.
    .target(
      name: "DistributedScenarios", dependencies: ["Training"], path: "Tests/DistributedScenarios"),
    .executableTarget(
      name: "distributed-runner", dependencies: ["DistributedScenarios"],
      path: "Tests/distributed-runner"),

    // Reads files that want to do harm: made from those in Tests/Corpus, or by libFuzzer (scripts/fuzz).
    .executableTarget(name: "reader-fuzzer", dependencies: ["Training"], path: "Tests/reader-fuzzer"),

    // Expected values from PyTorch, read from Tests/Fixtures.
    .target(name: "FixtureSupport", path: "Tests/FixtureSupport"),

    // Counts allocations, so that tests can hold a training step to none.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),

    // Writes the PNG and JPEG files that tests read back.
    .target(name: "ImageWriter", dependencies: ["CPNG", "CJPEG"], path: "Tests/ImageWriter"),

    .testTarget(
      name: "TensorCoreTests", dependencies: ["TensorCore", "CKernels", "OneDNNPrimitives", "FixtureSupport"]),
    .testTarget(
      name: "AutodiffTests",
      dependencies: ["Autodiff", "Layers", "Optimizers", "AllocationCounter", "FixtureSupport"]),
    .testTarget(name: "LayersTests", dependencies: ["Layers", "FixtureSupport"]),
    .testTarget(name: "OptimizersTests", dependencies: ["Optimizers", "Layers", "FixtureSupport"]),
    .testTarget(
      name: "MessagePassingTests", dependencies: ["DistributedScenarios", "distributed-runner"]),
    .testTarget(
      name: "AveragingTests", dependencies: ["DistributedScenarios", "distributed-runner"]),
    .testTarget(name: "DatasetsTests", dependencies: ["Datasets", "ImageWriter", "AllocationCounter"]),
    .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints"]),
    .testTarget(name: "FailpointsTests", dependencies: ["Failpoints"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: ["Training", "DistributedScenarios", "AllocationCounter", "FixtureSupport"]),
    .testTarget(name: "ReaderTests", dependencies: ["DistributedScenarios", "reader-fuzzer"]),
    .testTarget(
      name: "CommandTests", dependencies: ["DistributedScenarios", "ImageWriter", "Yams", "lockstep"]),
  ]
)

// A target names what it depends on through others, too: with optimization across modules the compiler takes over parts of
// theirs, and a target that does not name them is not compiled again when they change.
func withAllBelow(_ dependencies: [Target.Dependency], in modules: [String: Target]) -> [Target.Dependency] {
  var (all, seen): ([Target.Dependency], Set<String>) = ([], [])
  func add(_ dependency: Target.Dependency) {
    guard case .byNameItem(let name, _) = dependency else { return all.append(dependency) }
    guard seen.insert(name).inserted else { return }
    all.append(dependency)
    for inner in modules[name]?.dependencies ?? [] {
      if case .byNameItem(let name, _) = inner, modules[name] != nil { add(inner) }
    }
  }
  for dependency in dependencies { add(dependency) }
  return all
}

let modules = package.targets.reduce(into: [String: Target]()) { $0[$1.name] = $1 }
for target in package.targets { target.dependencies = withAllBelow(target.dependencies, in: modules) }
