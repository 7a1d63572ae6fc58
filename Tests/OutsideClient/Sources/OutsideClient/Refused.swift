#if REFUSED
  import Momentum

  // What must not compile; Scripts/check-client.sh looks for these errors and for no other.
  enum Refused {
    /// The C module is an implementation detail of the library.
    static func symbolOfC() { print(cblas_sdot(2, [1, 1], 1, [1, 1], 1)) }

    /// The table in the article ThreadsAndConcurrency.
    static func list(_ optimizers: [Optimizer<Float>]) {}
    static func group() async { await withTaskGroup(of: ParameterVector<Float>.self) { _ in } }
    static func tuple(_ pair: borrowing (ParameterVector<Float>, Int)) {}
    static func text(of vector: borrowing ParameterVector<Float>) { print(vector) }
  }
#endif
