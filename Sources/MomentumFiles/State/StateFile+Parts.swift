extension StateFile {
  /// The parts of an optimizer's memory, which files hold together or apart.
  ///
  /// ```swift
  /// try StateFile.save(optimizer, to: "velocity.safetensors", parts: .velocity)
  /// try StateFile.save(optimizer, to: "average.safetensors", parts: .average)
  /// ```
  ///
  /// Both of these files together are worth one with ``all``, up to one rounding of each element: a file of one part is
  /// for other programs too, and holds true velocities or averages.
  public struct Parts: OptionSet, Hashable, Sendable {
    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The velocities, and all else that a run needs to go on: how many steps have been taken, whether the last one
    /// clipped, a dynamic loss scale, adaptive clipping.
    public static let velocity = Parts(rawValue: 1)
    /// The averages of the parameters, and how many steps have entered each.
    public static let average = Parts(rawValue: 2)
    /// Everything.
    public static let all: Parts = [.velocity, .average]
  }
}

extension StateFile.Parts: CustomStringConvertible {
  private static let names: [(part: Self, name: String)] = [(.velocity, "velocity"), (.average, "average")]

  /// The names of the parts as a file has them in its metadata, `velocity average` for example.
  public var description: String {
    Self.names.filter { contains($0.part) }.map(\.name).joined(separator: " ")
  }

  /// The parts that a file names.
  init?(_ text: String) {
    let choices: [Self] = [.all, .velocity, .average]
    guard let parts = choices.first(where: { $0.description == text }) else { return nil }
    self = parts
  }

  /// Before the names of the parameters in a file that holds these parts: where there is one only, its tensors have the
  /// parameters' own names.
  func prefix(of part: Self) -> String { self == part ? "" : part.description + "/" }
}
