import Dispatch
import Momentum

/// What the parts of a model tell each other in one call, for parts that are then worked on one after the other, so that
/// only one of them is in memory.
///
/// First every part measures and meets the others, up to the point where all agree to write. There the calls end, and
/// nothing has changed. Then each part repeats its call, alone, and is told what all have found: results have the bits of
/// one call for all, at the price of measuring twice.
struct RecordedNorms {
  private let messages: [NormMessage]

  /// Lets all parts measure, one at a time, on threads of their own.
  ///
  /// - Parameters:
  ///   - parts: How many there are, at least 1.
  ///   - outer: The exchange with other parts, which other processes measure.
  ///   - writesNothing: Whether the calls may go on when all have agreed, since they change nothing that they must not.
  ///   - haveMeasured: What is to be done when a part has measured, before the next one does: to let its pages go, say.
  ///   - call: The call of a part with an exchange.
  /// - Throws: The error of the first part that throws.
  init(
    parts: Int, within outer: (any NormExchange)? = nil, writesNothing: Bool = false,
    haveMeasured: @escaping @Sendable (_ part: Int) -> Void,
    _ call: @escaping @Sendable (_ part: Int, _ exchange: any NormExchange) throws(MomentumError) -> Void
  ) throws(MomentumError) {
    let turn = DispatchSemaphore(value: 1)
    messages = try ThreadExchange.run(owners: parts, within: outer) { part, exchange throws(MomentumError) in
      let listener = Listener(exchange, turn, endsCall: !writesNothing) { haveMeasured(part) }
      turn.wait()
      defer { turn.signal() }
      do throws(MomentumError) {
        try call(part, listener)
      } catch {
        guard listener.haveAgreed else { throw error }
      }
      return listener.messages
    }[0]
  }

  /// The exchange for the call that a part repeats.
  func exchange() -> any NormExchange { Replay(messages) }

  /// Writes down what the owners say, and ends a call that would write when they agree to.
  private final class Listener: NormExchange {
    private let exchange: any NormExchange
    private let turn: DispatchSemaphore
    private let endsCall: Bool
    private let haveMeasured: () -> Void
    private(set) var messages: [NormMessage] = []
    private(set) var haveAgreed = false

    init(
      _ exchange: any NormExchange, _ turn: DispatchSemaphore, endsCall: Bool, haveMeasured: @escaping () -> Void
    ) {
      (self.exchange, self.turn, self.endsCall, self.haveMeasured) = (exchange, turn, endsCall, haveMeasured)
    }

    func merge(_ message: inout NormMessage) throws(MomentumError) {
      // The last meeting of a call is the one without norms.
      let isLast = message.partials.isEmpty && message.failure == nil
      haveMeasured()
      turn.signal()
      defer { turn.wait() }
      try exchange.merge(&message)
      guard message.failure == nil else { return }
      messages.append(message)
      guard isLast, endsCall else { return }
      haveAgreed = true
      throw .invalidSetting(name: "call", value: "measured", expected: "the call that writes")
    }
  }

  /// Says what the owners have said.
  private final class Replay: NormExchange {
    private var messages: ArraySlice<NormMessage>

    init(_ messages: [NormMessage]) { self.messages = messages[...] }

    func merge(_ message: inout NormMessage) throws(MomentumError) {
      guard message.failure == nil else { return }
      guard let next = messages.popFirst() else { preconditionFailure("the call is not the one that was measured") }
      message = next
    }
  }
}
