/// The version of this package.
public enum MomentumVersion {
  /// Major, minor and patch number, as in the tag of the release and in the article <doc:Versions>.
  public static let current = "0.2.0"
}
