/// The threads that the engine uses for work of one size, for a benchmark that runs another kernel on the same threads.
package struct EngineTeam: Sendable {
  private let team: ThreadTeam
  private let elements: Int

  /// - Parameters:
  ///   - threads: The most threads to use.
  ///   - elements: The size of the work.
  package init(threads: Int, elements: Int) {
    team = ThreadTeam(threads, elements: elements)
    self.elements = elements
  }

  /// The largest number of threads.
  package var count: Int { team.mostCount }

  /// Calls `body` once for every thread with its number and its share of the elements. The share is empty for threads
  /// that are not worth starting this time.
  package func run(_ body: @Sendable (_ thread: Int, _ share: Range<Int>) -> Void) {
    let team = team.assembled()
    team.run { body($0, team.share(of: $0, count: elements)) }
    for thread in team.count..<team.mostCount { body(thread, 0..<0) }
  }
}
