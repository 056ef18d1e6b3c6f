import Foundation
import TensorCore

extension RunConfiguration {
  /// Reads a configuration file or a preset, with overrides.
  ///
  /// - Parameters:
  ///   - argument: a path, or the name of a preset. A preset's bare name is always the preset; `./mnist`
  ///     is a file.
  ///   - overrides: the values of `--set`, later ones winning.
  public static func load(
    _ argument: String, overrides: [String] = []
  ) throws(ConfigurationError) -> RunConfiguration {
    try ConfigurationText(argument).configuration(try ConfigurationOverride.parse(overrides))
  }

  /// Reads a configuration from its text.
  ///
  /// - Parameters:
  ///   - text: YAML.
  ///   - file: what messages name as its origin.
  ///   - overrides: the values of `--set`, later ones winning.
  public static func parse(
    _ text: String, file: String, overrides: [String] = []
  ) throws(ConfigurationError) -> RunConfiguration {
    try ConfigurationText(text, place: file).configuration(try ConfigurationOverride.parse(overrides))
  }
}

/// The text of a configuration, and where it comes from: settings can be put into it again and again.
struct ConfigurationText {
  let text: String
  /// What messages name as its origin.
  let place: String

  init(_ text: String, place: String) { (self.text, self.place) = (text, place) }

  /// - Parameter argument: a path, or the name of a preset.
  init(_ argument: String) throws(ConfigurationError) {
    if let preset = ConfigurationPreset.named(argument) {
      self.init(preset.yaml, place: "preset \(preset.name)")
    } else {
      self.init(try Self.contents(ofFile: argument), place: argument)
    }
  }

  /// - Parameter overrides: later ones win.
  func configuration(_ overrides: [ConfigurationOverride]) throws(ConfigurationError) -> RunConfiguration {
    var node = try ConfigurationNode.parse(text, file: place)
    for override in overrides { try override.apply(to: &node) }
    let reader = ConfigurationReader(node, for: .reading)
    var configuration = RunConfiguration()
    try configuration.read(from: reader)
    try reader.refuseUnknownKeys()
    return configuration
  }

  static func contents(ofFile path: String) throws(ConfigurationError) -> String {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      let presets = ConfigurationPreset.all.map(\.name)
      let near = NearestName.nearest(to: path, among: presets)
      throw ConfigurationError(
        at: path, expected: "a configuration file, or a preset (\(presets.joined(separator: ", ")))",
        found: "neither a file nor a preset of this name",
        remedy: near.map { "Did you mean the preset \($0)?" }
          ?? "Check the path, or begin with a preset: lockstep train --print-config digits > run.yaml")
    }
    guard !isFolder.boolValue else {
      let inner = path.hasSuffix("/") ? "\(path)config.yaml" : "\(path)/config.yaml"
      throw ConfigurationError(
        at: path, expected: "a configuration file", found: "a folder",
        remedy: FileManager.default.fileExists(atPath: inner)
          ? "It is the folder of a run; its configuration is \(inner)." : "Name a file in it.")
    }
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw ConfigurationError(
        at: path, expected: "a readable file", found: String(cString: strerror(errno)),
        remedy: "Check the permissions of the file and its folders.")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw ConfigurationError(
        at: path, expected: "a regular file", found: "a pipe or a device",
        remedy: "Save the configuration to a file, and name that.")
    }
    // One byte more than allowed is enough to know that there are too many, however many there are.
    var bytes = [UInt8](repeating: 0, count: ConfigurationNode.sizeLimit + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes.withUnsafeMutableBytes {
        Foundation.read(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else {
        throw ConfigurationError(
          at: path, expected: "a readable file", found: String(cString: strerror(errno)),
          remedy: "Check the disk, or copy the file elsewhere.")
      }
      if got == 0 { break }
      count += got
    }
    guard count <= ConfigurationNode.sizeLimit else {
      throw ConfigurationError(
        at: path, expected: ConfigurationNode.sizeLimitWords, found: "more",
        remedy: "Check that this is the configuration and not a data file.")
    }
    guard let text = String(validating: bytes.prefix(count), as: UTF8.self) else {
      throw ConfigurationError(
        at: path, expected: "text in UTF-8", found: "bytes that are not",
        remedy: "Check that this is the configuration and not a data file.")
    }
    return text
  }
}
