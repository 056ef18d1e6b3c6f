/// The version of this library and of the command.
public enum LockstepVersion {
  public static let current = "0.5.0"
}
