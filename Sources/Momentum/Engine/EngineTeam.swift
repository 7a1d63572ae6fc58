/// The threads that the engine gives work of one size, for a benchmark that runs another kernel on the same ones.
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

  /// How many threads there are.
  package var count: Int { team.count }

  /// Calls `body` once on every thread with its number and its share of the elements.
  package func run(_ body: @Sendable (_ thread: Int, _ share: Range<Int>) -> Void) {
    team.run { body($0, team.share(of: $0, count: elements)) }
  }
}
