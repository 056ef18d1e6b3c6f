import ArgumentParser

@main
struct LockstepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "lockstep")
}
