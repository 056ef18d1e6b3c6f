import Testing
import Training

/// A configuration from a file's text, and what `--set` says.
func parsed(_ text: String, _ overrides: String...) throws -> RunConfiguration {
  try RunConfiguration.parse(text, file: "run.yaml", overrides: overrides)
}

/// The error that `text` leads to.
func refusal(_ text: String, _ overrides: [String] = []) throws -> ConfigurationError {
  try #require(
    throws: ConfigurationError.self, "\(text.prefix(200)) \(overrides)",
    performing: { try RunConfiguration.parse(text, file: "run.yaml", overrides: overrides) })
}

let minimal = "data: {name: digits}\n"
