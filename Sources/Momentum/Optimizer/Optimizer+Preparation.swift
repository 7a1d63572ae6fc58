// What an optimizer does between steps: have its memory ready, and begin anew.
extension Optimizer {
  /// Allocates what steps will need, velocity and average among it, so that the first step takes no longer than the
  /// others; at 10⁸ parameters the pages of a velocity take half a second.
  ///
  /// A program that does not call this leaves it to the first step.
  ///
  /// - Throws: What the first step would throw about settings and memory.
  /// - Complexity: O(n) the first time: writes one element of each page.
  public mutating func prepare() throws(MomentumError) {
    let call = EngineCall.begin()
    defer { call.end() }
    try checkSettings()
    try bindState()
    _ = table.scratch(threads: team.mostCount)
  }

  /// Forgets the velocity of every tensor: the next step is a first step, as after training has been steered elsewhere.
  /// Step count, average, loss scale and adaptive limit stay.
  ///
  /// - Complexity: O(n); writes n elements.
  public mutating func resetVelocity() {
    for index in states.velocities.indices { states.velocities[index] = VelocityState() }
    direction.clear(layout)
  }
}
