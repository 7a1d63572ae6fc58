/// A list of tasks that do not need each other. A value, so that passing it to threads allocates nothing.
protocol MatrixTask<Scalar> {
  associatedtype Scalar: BLASScalar

  /// Does one of the tasks.
  ///
  /// - Parameter scratch: Tiles of the thread's own.
  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Scalar>)
}

/// The threads that work on a matrix: all of a team, which take one task after the other, or one thread alone.
struct TaskCrew<Scalar: BLASScalar> {
  let workspace: MatrixWorkspace<Scalar>
  private let team: ThreadTeam?
  private let thread: Int

  /// All threads of a team.
  init(_ team: ThreadTeam, _ workspace: MatrixWorkspace<Scalar>) {
    (self.workspace, self.team, thread) = (workspace, team.count > 1 ? team : nil, 0)
  }

  /// One thread of a team.
  init(thread: Int, _ workspace: MatrixWorkspace<Scalar>) {
    (self.workspace, team, self.thread) = (workspace, nil, thread)
  }

  /// Does all tasks of a list; returns when they are done.
  func run(_ task: some MatrixTask<Scalar>, count: Int) {
    guard let team, count > 1 else {
      let scratch = workspace.scratch(thread: thread)
      for index in 0..<count { task.run(index, scratch) }
      return
    }
    workspace.restartCount()
    team.run(Shares(task: task, count: count, workspace: workspace))
  }

  /// A thread's share: as many tasks as it gets.
  private struct Shares<Task: MatrixTask>: TeamWork, @unchecked Sendable where Task.Scalar == Scalar {
    let task: Task
    let count: Int
    let workspace: MatrixWorkspace<Scalar>

    func run(thread: Int) {
      let scratch = workspace.scratch(thread: thread)
      while true {
        let index = workspace.takeNext()
        guard index < count else { return }
        task.run(index, scratch)
      }
    }
  }
}

/// How much work there is on a matrix, for the number of threads that it is worth.
enum MatrixWork {
  /// The work in terms of the elements that a pass over vectors handles in the same time.
  static func elements(_ layout: MatrixLayout) -> Int {
    let (r, c) = (MatrixTile.number(of: layout.shortSide), MatrixTile.number(of: layout.longSide))
    // A product of two tiles takes as long as some ten thousand elements. The sides of the largest tensors keep this in
    // range: they have at most 2⁴⁷ elements.
    return min(r, 1 << 10) * min(r, 1 << 10) * c * (1 << 15)
  }

  static func team(_ threads: Int, for layout: MatrixLayout) -> ThreadTeam {
    // Nothing to share in a single tile.
    ThreadTeam(layout.longSide <= MatrixTile.side ? 1 : threads, elements: elements(layout)).assembled()
  }
}
