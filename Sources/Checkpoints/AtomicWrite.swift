import Glibc

/// Writes a small file so that, whatever happens, `path` holds either what it held before or all of `bytes`.
///
/// A temporary file `path.tmp` beside it is synced and renamed, then the folder is synced. One writer at a time.
public func atomicWrite(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
  try atomicWrite(bytes, to: path, calls: SystemCalls())
}

package func atomicWrite(
  _ bytes: [UInt8], to path: String, calls: SystemCalls
) throws(CheckpointError) {
  let temporary = path + ".tmp"
  do {
    var file = try OutputFile(temporary, replacing: true, calls: calls)
    try file.write(bytes)
    try file.finish()
    try Folders.rename(temporary, to: path, calls: calls)
  } catch {
    _ = unlink(temporary)
    throw error
  }
  try Folders.sync(Folders.parent(of: path), calls: calls)
}
