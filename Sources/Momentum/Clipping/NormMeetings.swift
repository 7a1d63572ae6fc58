/// The meetings of one owner in one call; see ``NormExchange``.
final class NormMeetings {
  private let exchange: any NormExchange
  private var point: NormMessage.Point
  /// Whether no further meeting follows: all have failed, or agreed to write.
  private var areOver = false

  init(_ exchange: any NormExchange, step: Int = 0) {
    (self.exchange, point) = (exchange, NormMessage.Point(step: step))
  }

  /// The number of elements of the tensors that the owner counts.
  private var elements = 0
  /// Whether another owner counts some of this one's tensors.
  private(set) var sharesTensors = false
  /// Tensors that another owner counts, and that this one need not hold and does not.
  private var unheld: Set<String> = []

  /// The factor of the gradients and the tensors that the owner counts, known before the first meeting with partials.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if another owner counts a tensor that this one does not hold.
  func begin<Scalar>(gradientFactor: ScaledDouble, _ table: TensorTable<Scalar>) throws(MomentumError) {
    point.gradientFactor = gradientFactor
    elements = table.count
    var others = exchange.countedElsewhere
    sharesTensors = !others.isEmpty
    for index in table.entries.indices {
      table.decisions[index].isCountedElsewhere = others.remove(table.name(of: index)) != nil
      if table.decisions[index].isCountedElsewhere { elements -= table.entries[index].count }
    }
    unheld = others.intersection(exchange.heldJointly)
    if let unknown = others.subtracting(unheld).min() {
      throw .invalidSetting(name: "countedElsewhere", value: unknown, expected: "the names of own tensors")
    }
  }

  /// Meets the other owners inside a call of the engine.
  ///
  /// - Throws: The failure of any owner.
  func merge(_ partials: [NormPartial], counts: [Int] = []) throws(MomentumError) -> NormMessage {
    var message = NormMessage(at: point, partials: partials, counts: counts, elements: elements, unheld: unheld)
    point.meeting += 1
    do {
      // The engine rests meanwhile: the process may end while an owner waits.
      try EngineCall.interrupted { () throws(MomentumError) in try exchange.merge(&message) }
    } catch {
      areOver = true
      throw error
    }
    guard let failure = message.failure else { return message }
    areOver = true
    throw failure
  }

  /// The last meeting, after which every owner writes: nothing can fail any more. Makes what was clipped by any owner
  /// part of the report.
  func agree(_ report: inout ClipReport) throws(MomentumError) {
    report.wasClipped = try merge([], counts: [report.wasClipped ? 1 : 0]).counts[0] > 0
    areOver = true
  }

  /// The error for an owner to throw that has failed. Tells the other owners, unless they know.
  ///
  /// Called outside of the engine.
  func failure(_ error: MomentumError) -> MomentumError {
    guard !areOver else { return error }
    areOver = true
    var message = NormMessage(at: point, failure: error)
    do { try exchange.merge(&message) } catch { return error }
    return message.failure ?? error
  }
}
