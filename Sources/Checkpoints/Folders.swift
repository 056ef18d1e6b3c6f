import Glibc

/// The few things that are done to folders here.
enum Folders {
  /// Creates a folder and those above it that are missing, durably: each new entry's parent is synced.
  static func create(_ path: String, calls: SystemCalls) throws(CheckpointError) {
    if mkdir(path, 0o777) == 0 { return try sync(parent(of: path), calls: calls) }
    switch errno {
    case EEXIST:
      var status = stat()
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw CheckpointError(
          at: path, expected: "a folder", found: "something else",
          remedy: "Move it away, or choose another output folder.")
      }
    case ENOENT where parent(of: path) != path:
      try create(parent(of: path), calls: calls)
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        throw .system("create the folder", at: path, code: errno)
      }
      try sync(parent(of: path), calls: calls)
    case let code:
      throw .system("create the folder", at: path, code: code)
    }
  }

  /// Makes what was created, renamed or removed in a folder durable.
  static func sync(_ path: String, calls: SystemCalls) throws(CheckpointError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open the folder", at: path, code: errno) }
    defer { _ = Glibc.close(descriptor) }
    // Some network file systems cannot sync a folder, and say so with EINVAL; they do it by themselves.
    if calls.sync(descriptor) != 0, errno != EINVAL {
      throw .system("put the folder on the disk (fsync)", at: path, code: errno)
    }
  }

  /// The names in a folder, sorted, without "." and "..".
  static func names(in path: String) throws(CheckpointError) -> [String] {
    guard let stream = opendir(path) else { throw .system("list the folder", at: path, code: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw .system("list the folder", at: path, code: errno) }
    return names.sorted()
  }

  /// Removes a folder and the files in it. What is gone already is no mistake.
  static func remove(_ path: String, calls: SystemCalls) throws(CheckpointError) {
    for name in try names(in: path) {
      let file = path + "/" + name
      if calls.remove(file) != 0, errno != ENOENT {
        throw .system("remove the file", at: file, code: errno)
      }
    }
    if calls.remove(path) != 0, errno != ENOENT {
      throw .system("remove the folder", at: path, code: errno)
    }
  }

  static func rename(_ old: String, to new: String, calls: SystemCalls) throws(CheckpointError) {
    if calls.rename(old, new) != 0 { throw .system("rename it to \(new)", at: old, code: errno) }
  }

  static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  static func parent(of path: String) -> String {
    var path = path[...]
    while path.count > 1, path.last == "/" { path.removeLast() }
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
