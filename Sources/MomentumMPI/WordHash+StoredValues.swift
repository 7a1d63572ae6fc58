package import Momentum

extension WordHash {
  /// Takes in everything that a value stores, at any depth, as reflection finds it. A description may leave out what it
  /// likes; this leaves out nothing, also of rules of other packages. One that keeps what may differ from rank to rank, for
  /// example a file, is a `CustomReflectable` without it.
  ///
  /// Functions cannot be compared: of a ``Schedule`` that is one, its first value is taken in.
  package mutating func add(stored value: Any) {
    var objects: [ObjectIdentifier] = []
    add(stored: value, &objects)
  }

  /// - Parameter objects: The objects that have been taken in, or are just being.
  private mutating func add(stored value: Any, _ objects: inout [ObjectIdentifier]) {
    // Not the full name: of a private type it has an address.
    add("\(type(of: value))")
    if let schedule = value as? Schedule { add(schedule.value(at: 0).bitPattern) }
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .class {
      let object = ObjectIdentifier(value as AnyObject)
      if let known = objects.firstIndex(of: object) { return add(UInt64(known)) }
      objects.append(object)
    }
    var children = Array(mirror.children)
    var ancestor = mirror.superclassMirror
    while let next = ancestor {
      children += next.children
      ancestor = next.superclassMirror
    }
    add(UInt64(children.count))
    if children.isEmpty { return add(String(describing: value)) }
    if mirror.displayStyle == .set || mirror.displayStyle == .dictionary {
      return add(unordered: children.map(\.value), &objects)
    }
    for child in children {
      add(child.label ?? "")
      add(stored: child.value, &objects)
    }
  }

  /// Takes in values that have another order in every process.
  private mutating func add(unordered values: [Any], _ objects: inout [ObjectIdentifier]) {
    var hashes: [UInt64] = []
    for value in values {
      var hash = WordHash()
      hash.add(stored: value, &objects)
      hashes.append(hash.value)
    }
    for hash in hashes.sorted() { add(hash) }
  }
}
