/// What the walk has to know of types of other modules.
enum StandardLibrary {
  /// Names that types of the standard library have as well. A member of such a name counts only where it is known of what,
  /// since the text does not tell the type of every value, and those of the standard library are the most frequent.
  static let memberNames: Set<String> = [
    // Collections.
    "add", "append", "base", "contains", "count", "element", "filter", "first", "index", "indices", "insert", "isEmpty",
    "joined", "keys", "last", "map", "offset", "prefix", "range", "reduce", "remove", "removeAll", "sorted", "split",
    "suffix", "update", "values",
    // Numbers.
    "exponent", "infinity", "magnitude", "max", "min", "round", "rounded", "sign", "significand", "squareRoot", "sum",
    "words", "zero",
    // Memory and atomics.
    "allocate", "deallocate", "initialize", "load", "store",
    // Anything.
    "decode", "description", "encode", "init", "none", "some", "type", "value",
  ]

  /// What collections and pointers hold.
  static func element(of type: TypeName) -> TypeName? {
    ["Dictionary", "InlineArray"].contains(type.name) ? type.arguments.last : type.arguments.first
  }

  /// The types of those members that lead from a collection or a pointer to a type of the module.
  static func type(ofMember name: String, of type: TypeName) -> TypeName? {
    switch name {
    case "pointee", "first", "last", "takeUnretainedValue", "takeRetainedValue", "removeLast", "popLast":
      element(of: type)
    case "unsafelyUnwrapped", "dropFirst", "dropLast", "prefix", "suffix", "reversed", "filter", "sorted", "allocate":
      type
    case "baseAddress": TypeName(name: "UnsafeMutablePointer", arguments: type.arguments)
    case "enumerated": TypeName(name: "EnumeratedSequence", arguments: type.arguments)
    case "indices": TypeName(name: "Range", arguments: [TypeName(name: "Int")])
    case "count", "startIndex", "endIndex": TypeName(name: "Int")
    case "isEmpty", "contains", "allSatisfy": TypeName(name: "Bool")
    default: nil
    }
  }
}
