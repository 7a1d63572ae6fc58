/// The element types that a velocity can be stored in.
enum VelocityStorage {
  /// A type that was asked for, or that of the parameters.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  static func checked<Scalar: BLASScalar>(
    _ type: ElementType?, for _: Scalar.Type
  ) throws(MomentumError) -> ElementType {
    let own = Scalar.elementType
    guard let type, type != own else { return own }
    guard own == .float32, type == .bfloat16 else {
      throw refusal(type, expected: own == .float32 ? "float32 or bfloat16" : "float64, as the parameters are")
    }
    return type
  }

  /// Throws for a type that no parameters have velocities of.
  static func validate(_ type: ElementType?) throws(MomentumError) {
    if let type, type == .float16 { throw refusal(type, expected: "float32, float64 or bfloat16") }
  }

  private static func refusal(_ type: ElementType, expected: String) -> MomentumError {
    .invalidSetting(name: "velocityType", value: type.rawValue, expected: expected)
  }
}
