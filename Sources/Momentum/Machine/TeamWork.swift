/// Work in shares, one a thread. A value, so that handing it over allocates nothing.
protocol TeamWork: Sendable {
  /// Does the share of one thread.
  func run(thread: Int)
}

extension TeamWork {
  /// Does the share of one thread of work that is known by its address only.
  static func run(_ work: UnsafeRawPointer, thread: Int) {
    work.assumingMemoryBound(to: Self.self).pointee.run(thread: thread)
  }
}

/// Carries a pointer into a concurrent closure. The engine's threads write disjoint elements only.
struct UnsafeTransfer<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
