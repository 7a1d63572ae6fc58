// What configurations say of matrices: names for the usual choices, objects for the others.

extension Orthogonalization: Codable {
  private static var named: [(name: String, method: Orthogonalization)] {
    [("jordan", .jordan()), ("polarExpress", .polarExpress()), ("dion", .dion), ("polar", .polar)]
  }

  /// Decodes `"jordan"`, `"polarExpress"` or `"dion"` with five steps, `"polar"`, or an object with `steps`, a list of the
  /// three factors of each step, and if they differ from the defaults `epsilon`, `epsilonUse`, `restarts` and `restartUse`.
  ///
  /// - Throws: `DecodingError`, with the path of what is wrong.
  public init(from decoder: any Decoder) throws {
    if let name = try? decoder.singleValueContainer().decode(String.self) {
      guard let known = Self.named.first(where: { $0.name == name }) else {
        throw DecodingError.dataCorrupted(
          DecodingError.Context(
            codingPath: decoder.codingPath,
            debugDescription: "method is '\(name)'; expected one of \(Self.named.map(\.name)), or an object with steps")
        )
      }
      self = known.method
      return
    }
    let object = try StrictObject(decoder, keys: ["steps", "epsilon", "epsilonUse", "restarts", "restartUse"])
    let factors: [[Double]] = try object.value("steps")
    guard factors.allSatisfy({ $0.count == 3 }) else {
      throw object.refusal("steps are \(factors); expected lists of three factors")
    }
    let method = NewtonSchulz(
      factors.map { NewtonSchulz.Step($0[0], $0[1], $0[2]) }, epsilon: try object.optional("epsilon") ?? 0,
      epsilonUse: try object.optional("epsilonUse") ?? .added, restarts: try object.optional("restarts"),
      restartUse: try object.optional("restartUse") ?? .always)
    try object.checked { () throws(MomentumError) in try method.validate() }
    self = .newtonSchulz(method)
  }

  public func encode(to encoder: any Encoder) throws {
    if let known = Self.named.first(where: { $0.method == self }) {
      var container = encoder.singleValueContainer()
      return try container.encode(known.name)
    }
    guard case .newtonSchulz(let method) = self else { preconditionFailure("a method without factors has a name") }
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(method.steps.map { [$0.a, $0.b, $0.c] }, forKey: NameKey("steps"))
    try container.encode(method.epsilon, forKey: NameKey("epsilon"))
    try container.encode(method.epsilonUse, forKey: NameKey("epsilonUse"))
    try container.encode(method.restarts, forKey: NameKey("restarts"))
    try container.encode(method.restartUse, forKey: NameKey("restartUse"))
  }
}

extension MatrixView: Codable {
  /// Decodes `"firstAxis"`, `"lastTwoAxes"`, an object with the lists `inputs` and `outputs` of axes, or one with
  /// `rowBlocks` and the view `of`.
  ///
  /// - Throws: `DecodingError`, with the path of what is wrong.
  public init(from decoder: any Decoder) throws {
    if let name = try? decoder.singleValueContainer().decode(String.self) {
      switch name {
      case "firstAxis": self = .firstAxis
      case "lastTwoAxes": self = .lastTwoAxes
      default:
        throw DecodingError.dataCorrupted(
          DecodingError.Context(
            codingPath: decoder.codingPath,
            debugDescription: "view is '\(name)'; expected firstAxis, lastTwoAxes, or an object with axes or row blocks"
          ))
      }
      return
    }
    let object = try StrictObject(decoder, keys: ["inputs", "outputs", "rowBlocks", "of"])
    if object.keys.contains("rowBlocks") {
      self = .rowBlocks(try object.value("rowBlocks"), of: try object.optional("of") ?? .firstAxis)
    } else {
      self = .axes(inputs: try object.value("inputs"), outputs: try object.value("outputs"))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .firstAxis, .lastTwoAxes:
      var container = encoder.singleValueContainer()
      try container.encode(self == .firstAxis ? "firstAxis" : "lastTwoAxes")
    case .axes(let inputs, let outputs):
      var container = encoder.container(keyedBy: NameKey.self)
      try container.encode(inputs, forKey: NameKey("inputs"))
      try container.encode(outputs, forKey: NameKey("outputs"))
    case .rowBlocks(let counts, let view):
      var container = encoder.container(keyedBy: NameKey.self)
      try container.encode(counts, forKey: NameKey("rowBlocks"))
      try container.encode(view, forKey: NameKey("of"))
    }
  }
}

extension Muon.Scale: Codable {
  /// Decodes `"fanRatio"`, `"spectral"`, `"none"`, or an object with the number `matchingRMS`.
  ///
  /// - Throws: `DecodingError`, with the path of what is wrong.
  public init(from decoder: any Decoder) throws {
    if let name = try? decoder.singleValueContainer().decode(String.self) {
      switch name {
      case "fanRatio": self = .fanRatio
      case "spectral": self = .spectral
      case "none": self = .none
      default:
        throw DecodingError.dataCorrupted(
          DecodingError.Context(
            codingPath: decoder.codingPath,
            debugDescription: "scale is '\(name)'; expected fanRatio, spectral, none, or an object with matchingRMS"))
      }
      return
    }
    let object = try StrictObject(decoder, keys: ["matchingRMS"])
    self = .matchingRMS(try object.value("matchingRMS"))
  }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .fanRatio, .spectral, .none:
      var container = encoder.singleValueContainer()
      try container.encode(self == .fanRatio ? "fanRatio" : self == .spectral ? "spectral" : "none")
    case .matchingRMS(let rms):
      var container = encoder.container(keyedBy: NameKey.self)
      try container.encode(rms, forKey: NameKey("matchingRMS"))
    }
  }
}
