internal import Dispatch
internal import Synchronization

/// The meeting place of owners that are threads of one process; see ``NormExchange``.
///
/// ```swift
/// nonisolated(unsafe) let parts = [first, second]  // two buffers, each for one thread
/// let reports = try ThreadExchange.run(owners: 2) { owner, exchange throws(MomentumError) in
///   try Gradients.clip([parts[owner]], by: .byGlobalNorm(1), exchange: exchange)
/// }
/// ```
public final class ThreadExchange: Sendable {
  fileprivate struct State {
    /// The message of each owner that has come to the current meeting.
    var messages: [NormMessage?]
    /// The messages that stand for owners that come no more.
    var farewells: [NormMessage?]
    /// The message of all of the last meeting. Nobody replaces it before all have read it: the next meeting takes all.
    var result: NormMessage?
  }

  private let state: Mutex<State>
  private let ends: [DispatchSemaphore]
  /// Called by the thread that ends a meeting, while all others of the meeting wait.
  nonisolated(unsafe) private let outer: (any NormExchange)?

  private init(owners: Int, within outer: (any NormExchange)?) {
    self.outer = outer
    state = Mutex(
      State(messages: Array(repeating: nil, count: owners), farewells: Array(repeating: nil, count: owners)))
    ends = (0..<owners).map { _ in DispatchSemaphore(value: 0) }
  }

  /// Runs `body` for every owner on a thread of its own, the first on the caller's, and returns when all have ended.
  ///
  /// An owner whose `body` ends while the others wait for it makes them throw: its own error, or one that says that the
  /// owners differ in their calls.
  ///
  /// - Parameters:
  ///   - owners: The number of owners, at least 1.
  ///   - outer: The exchange in which all of them are one owner, where there are more than these: those of other ranks, say.
  ///     Any of the threads calls it, one at a time. Of the tensors that it leaves to others to count
  ///     (``NormExchange/countedElsewhere``) each must be one of any owner's.
  ///   - body: The calls of an owner; gets its number and the exchange to pass on.
  /// - Returns: The results, in the order of the owners.
  /// - Throws: The error of the first owner that threw; ``MomentumError/invalidSetting(_:)`` for a number of owners out
  ///   of range, or for which the system cannot start the threads.
  public static func run<Result: Sendable>(
    owners: Int, within outer: (any NormExchange)? = nil,
    _ body: @escaping @Sendable (_ owner: Int, _ exchange: any NormExchange) throws(MomentumError) -> Result
  ) throws(MomentumError) -> [Result] {
    guard owners >= 1 else {
      throw .invalidSetting(name: "owners", value: owners, expected: .countAtLeast(1))
    }
    let exchange = ThreadExchange(owners: owners, within: outer)
    let results = Mutex<[Swift.Result<Result, MomentumError>?]>(Array(repeating: nil, count: owners))
    @Sendable func work(_ owner: Int) {
      let result: Swift.Result<Result, MomentumError>
      do throws(MomentumError) {
        result = .success(try body(owner, Owner(exchange: exchange, number: owner)))
      } catch {
        result = .failure(error)
      }
      results.withLock { $0[owner] = result }
      exchange.leave(owner, result.failure)
    }
    let ended = DispatchSemaphore(value: 0)
    var started = 0
    for owner in 1..<owners {
      let hasStarted = Platform.startThread {
        work(owner)
        ended.signal()
      }
      if hasStarted {
        started += 1
        continue
      }
      let failure = MomentumError.invalidSetting(
        name: "owners", value: owners, expected: .words("no more threads than the system can start"))
      results.withLock { $0[owner] = .failure(failure) }
      exchange.leave(owner, failure)
    }
    work(0)
    for _ in 0..<started { ended.wait() }
    var found: [Result] = []
    for case let result? in results.withLock({ $0 }) { found.append(try result.get()) }
    return found
  }

  /// One owner's side of the exchange.
  private struct Owner: NormExchange {
    let exchange: ThreadExchange
    let number: Int

    // Those that any of the owners holds are counted elsewhere by all of them.
    var countedElsewhere: Set<String> { exchange.outer?.countedElsewhere ?? [] }
    var heldJointly: Set<String> { countedElsewhere }

    func merge(_ message: inout NormMessage) throws(MomentumError) { message = exchange.meet(number, message) }
  }

  private func meet(_ owner: Int, _ message: NormMessage) -> NormMessage {
    let present = state.withLock {
      $0.messages[owner] = message
      return $0.complete()
    }
    if let present { end(present, by: owner) } else { ends[owner].wait() }
    return state.withLock { $0.result.unsafelyUnwrapped }
  }

  /// Tells the owners that came to a meeting, all but the one that ends it, that it is over.
  private func end(_ present: [Int], by owner: Int) {
    if let outer {
      var result = state.withLock { $0.result.unsafelyUnwrapped }
      result.refuse(result.unheld.subtracting(outer.heldJointly))
      do throws(MomentumError) { try outer.merge(&result) } catch { result.failure = error }
      state.withLock { [result] in $0.result = result }
    }
    for other in present where other != owner { ends[other].signal() }
  }

  /// Ends the part of an owner, whose last word counts in all meetings to come.
  private func leave(_ owner: Int, _ failure: MomentumError?) {
    let lastWord =
      failure
      ?? .invalidSetting(
        name: "exchange", value: "left by owner \(owner)",
        expected: "the same calls with the same settings by all owners")
    let present = state.withLock {
      $0.farewells[owner] = NormMessage(at: NormMessage.Point(), failure: lastWord)
      return $0.complete()
    }
    if let present { end(present, by: owner) }
  }
}

extension ThreadExchange.State {
  /// Ends the meeting if all owners are there.
  ///
  /// - Returns: The owners that came to it; `nil` if the meeting goes on, or if nobody has come.
  fileprivate mutating func complete() -> [Int]? {
    let present = messages.indices.filter { messages[$0] != nil }
    var words: [NormMessage] = []
    for (message, farewell) in zip(messages, farewells) {
      guard let word = message ?? farewell else { return nil }
      words.append(word)
    }
    guard !present.isEmpty else { return nil }
    result = words.dropFirst().reduce(into: words[0]) { $0.merge($1) }
    messages = Array(repeating: nil, count: messages.count)
    return present
  }
}

extension NormMessage {
  /// Lets all owners throw that none of them holds tensors that others are said to count.
  fileprivate mutating func refuse(_ names: Set<String>) {
    guard failure == nil, let name = names.min() else { return }
    failure = .invalidSetting(
      name: "countedElsewhere", value: name, expected: "the names of tensors of any of the owners")
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let error) = self { error } else { nil }
  }
}
