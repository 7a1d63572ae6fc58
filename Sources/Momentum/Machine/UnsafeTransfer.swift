/// Carries a pointer into a concurrent closure. This is safe because the engine's threads write disjoint elements.
struct UnsafeTransfer<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
