internal import CMomentumKernels

/// What every call of the engine does on the thread that makes it, so that neither the host's settings nor its end
/// reaches into the arithmetic.
///
/// - It computes in the default floating-point environment: rounding to nearest, subnormal numbers kept, no traps. The
///   host's own comes back when the call ends. Workers are always in the default one, so bits cannot depend on which
///   thread ran a share.
/// - It holds off the destructors of libraries while it runs, and does not begin once `exit` has. OpenBLAS takes its
///   kernels away there.
///
///     let call = EngineCall.begin()
///     defer { call.end() }
struct EngineCall {
  private let callersRegister: UInt64

  @inline(__always)
  static func begin() -> EngineCall {
    momentum_exit_gate_enter()
    return EngineCall(callersRegister: enterDefaultEnvironment())
  }

  @inline(__always)
  func end() {
    Self.restore(callersRegister)
    momentum_exit_gate_leave()
  }

  /// - Returns: The register of the environment before.
  @inline(__always)
  private static func enterDefaultEnvironment() -> UInt64 {
    let register = momentum_float_register()
    if momentum_float_register_is_changed(register) != 0 { momentum_set_default_float_register() }
    return register
  }

  @inline(__always)
  private static func restore(_ register: UInt64) {
    if momentum_float_register_is_changed(register) != 0 { momentum_set_float_register(register) }
  }

  /// Runs a share of a call that another thread has begun, on a thread that is not the engine's own. The end of the process waits
  /// for that call; if the share were a call of its own, which does not begin once `exit` has, both would wait for ever.
  static func runShare(_ share: () -> Void) {
    let register = enterDefaultEnvironment()
    share()
    restore(register)
  }

  /// Runs code of the host that may take its time, outside of the call that this thread is in: the process may end
  /// meanwhile.
  static func interrupted<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    momentum_exit_gate_leave()
    defer { momentum_exit_gate_enter() }
    return try body()
  }

  /// Brings a thread of the engine's own into the default environment, for good. It starts with that of its creator.
  static func prepareWorker() { momentum_set_default_float_register() }
}
