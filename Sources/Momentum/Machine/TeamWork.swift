/// Work in shares, one for each thread. A value, so that passing it to threads allocates nothing.
protocol TeamWork: Sendable {
  /// Does the share of one thread.
  func run(thread: Int)
}

extension TeamWork {
  /// Does one thread's share of work that is known only by its address.
  static func run(_ work: UnsafeRawPointer, thread: Int) {
    work.assumingMemoryBound(to: Self.self).pointee.run(thread: thread)
  }
}
