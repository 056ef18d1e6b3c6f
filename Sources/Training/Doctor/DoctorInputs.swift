import Foundation

/// What the checks look at, gathered beforehand, so that each check is a function of texts and numbers.
public struct DoctorInputs: Sendable {
  /// A place where files are to be written.
  public struct Folder: Sendable, Equatable, Codable {
    public var path: String
    /// What a trial file met with; nil: it could be written.
    public var failure: String?
    /// Bytes that are free for this user; nil when it is not told.
    public var free: Double?

    public init(path: String, failure: String?, free: Double?) {
      self.path = path
      self.failure = failure
      self.free = free
    }
  }

  /// Of Lockstep.
  public var version = ""
  public var isOptimized = true
  public var swiftVersion = ""
  /// What `MPI_Get_library_version` says; nil when the library cannot be used.
  public var mpiLibrary: String?
  /// oneDNN's version; nil when it cannot be used.
  public var oneDNN: String?
  public var launcher = LauncherProbe(path: nil, version: "", trial: .skipped(""))
  public var environment: [String: String] = [:]
  public var isRoot = false
  /// The texts of files in `/proc`.
  public var cpuinfo = ""
  public var status = ""
  public var meminfo = ""
  public var controlGroup = ControlGroup(processors: nil, memory: nil)
  public var sharedMemory = Folder(path: "/dev/shm", failure: nil, free: nil)
  /// Where a run's folder is to be.
  public var runFolder = Folder(path: ".", failure: nil, free: nil)
  /// Threads of each rank that are intended.
  public var threads = 1

  public init() {}

  /// Looks around. Starts `mpirun` for a moment, and writes and removes a small file in each folder.
  ///
  /// - Parameters:
  ///   - version: of Lockstep.
  ///   - mpiLibrary: what `MPI_Get_library_version` says.
  ///   - oneDNN: its version.
  ///   - folder: where a run's folder is to be; the nearest one that exists is tried.
  ///   - threads: of each rank.
  public static func gather(
    version: String, mpiLibrary: String?, oneDNN: String?, folder: String = ".", threads: Int = 1
  ) -> DoctorInputs {
    var inputs = DoctorInputs()
    inputs.version = version
    inputs.isOptimized = !isDebugBuild
    inputs.swiftVersion = compilerVersion
    inputs.mpiLibrary = mpiLibrary
    inputs.oneDNN = oneDNN
    inputs.environment = ProcessInfo.processInfo.environment
    inputs.launcher = LauncherProbe.run(environment: inputs.environment)
    inputs.isRoot = geteuid() == 0
    inputs.cpuinfo = text(of: "/proc/cpuinfo") ?? ""
    inputs.status = text(of: "/proc/self/status") ?? ""
    inputs.meminfo = text(of: "/proc/meminfo") ?? ""
    inputs.controlGroup = ControlGroup(membership: text(of: "/proc/self/cgroup") ?? "", read: text(of:))
    inputs.sharedMemory = look(at: "/dev/shm")
    inputs.runFolder = look(at: nearestFolder(to: folder))
    inputs.threads = threads
    return inputs
  }

  /// The kind of this machine's processor.
  public static var cpuKind: CPUKind { CPUKind(cpuinfo: text(of: "/proc/cpuinfo") ?? "") }

  static func text(of path: String) -> String? {
    // Files in /proc have no size, so they are read to their end.
    guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() else { return nil }
    return String(decoding: data, as: UTF8.self)
  }

  /// The folder itself, or the nearest around it that exists.
  package static func nearestFolder(to path: String) -> String {
    var url = URL(fileURLWithPath: path).standardizedFileURL
    while !FileManager.default.fileExists(atPath: url.path), url.path != "/" {
      url = url.deletingLastPathComponent()
    }
    return url.path
  }

  /// Writes a small file, and asks for the free space.
  package static func look(at path: String) -> Folder {
    var result = Folder(path: path, failure: nil, free: nil)
    var statistics = statvfs()
    if statvfs(path, &statistics) == 0 {
      result.free = Double(statistics.f_bavail) * Double(statistics.f_frsize)
    }
    let file = "\(path)/.lockstep-\(UUID().uuidString)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      result.failure = String(cString: strerror(errno))
      return result
    }
    let block = [UInt8](repeating: 1, count: 4096)
    if write(descriptor, block, block.count) != block.count {
      result.failure = "a block could not be written"
    }
    close(descriptor)
    unlink(file)
    return result
  }

  private static var isDebugBuild: Bool {
    #if DEBUG
      true
    #else
      false
    #endif
  }

  private static var compilerVersion: String {
    #if compiler(>=6.4)
      "6.4 or later"
    #elseif compiler(>=6.3)
      "6.3"
    #elseif compiler(>=6.2)
      "6.2"
    #else
      "6.1"
    #endif
  }
}
