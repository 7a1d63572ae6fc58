/// Clips the gradient of every example on its own and averages the results, with noise if wanted. Differentially
/// private descent (DP-SGD) uses this average in place of the gradient of a batch.
///
///     m_i = min(1, C / N_i)
///     g   = (Σ m_i·g_i + C·z·Normal(0, 1)) / B
///
/// with the gradient g_i of example i and its 2-norm N_i, the limit C, the noise multiplier z and the number of
/// examples B. No example moves g by more than C/B, whatever the example holds; the privacy proof is based on this
/// (Abadi et al., "Deep Learning with Differential Privacy", arXiv:1607.00133; Optax `per_example_global_norm_clip`,
/// `dpsgd`). With limits for layers (McMahan et al., arXiv:1710.06963; Optax `per_example_layer_norm_clip`) each layer
/// of each example is clipped on its own.
///
/// ```swift
/// let clipping = try PerExampleClipping(norm: 1)
/// let examples: [Float] = [3, 4, 0.3, 0.4]  // two examples of two parameters
/// var gradient: [Float] = [0, 0]
/// let report = try examples.withUnsafeBufferPointer { examples in
///   try gradient.withUnsafeMutableBufferPointer { gradient in
///     try clipping.average(BLAS.Matrix(examples.baseAddress, rows: 2, columns: 2), into: gradient)
///   }
/// }
/// // gradient is [0.45, 0.6], report.clippedCounts is [1]
/// ```
///
/// Without limits for layers the sum is one `cblas_?gemv` of the matrix of per-example gradients; with them it is one
/// for each layer. Reads the matrix twice and never writes it.
public struct PerExampleClipping: Sendable, Hashable, Codable {
  /// The scope of a limit.
  public enum Scope: String, Sendable, Hashable, Codable, CaseIterable {
    /// The whole gradient of each example has a norm of at most C.
    case example
    /// Each of the K tensors of a layout has a norm of at most `C / √K`.
    case uniformLayers
    /// Each tensor has a norm of at most `C · √(D_i / D)` for D_i of D parameters.
    case proportionalLayers
  }

  /// C: at least 0; infinite to measure only.
  public var norm: Double
  /// The scope of C.
  public var scope: Scope
  /// z: finite, at least 0. With 0 no random number is drawn.
  public var noiseMultiplier: Double
  /// The divisor of the sum, finite and positive; by default the number of examples. For Poisson sampling, in which
  /// batches vary in size, give the expected size.
  public var batchSize: Double?
  /// The treatment of an example with NaN or infinite elements.
  ///
  /// - ``NonFinitePolicy/throw`` names the row and the first such element; nothing has been written.
  /// - ``NonFinitePolicy/skipStep`` writes nothing, draws nothing, and says so in the report.
  /// - ``NonFinitePolicy/zero`` lets those elements count as 0.
  /// - ``NonFinitePolicy/propagate`` makes the whole gradient NaN, or only the layer concerned, unless C is infinite.
  ///   Optax instead adds such an example unclipped.
  public var nonFinitePolicy: NonFinitePolicy

  /// Sets the limit.
  ///
  /// - Parameters:
  ///   - norm: C, at least 0.
  ///   - scope: The scope of C.
  ///   - noiseMultiplier: z, finite, at least 0.
  ///   - batchSize: The divisor of the sum; by default the number of examples.
  ///   - nonFinitePolicy: The treatment of NaN and infinite elements.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    norm: Double, scope: Scope = .example, noiseMultiplier: Double = 0, batchSize: Double? = nil,
    nonFinitePolicy: NonFinitePolicy = .throw
  ) throws(MomentumError) {
    self.norm = norm
    self.scope = scope
    self.noiseMultiplier = noiseMultiplier
    self.batchSize = batchSize
    self.nonFinitePolicy = nonFinitePolicy
    try validate()
  }

  /// Checks the settings, which may have been assigned one by one.
  func validate() throws(MomentumError) {
    guard norm >= 0 else {
      throw .invalidSetting(name: "per-example norm", value: norm, expected: .atLeast(0))
    }
    guard noiseMultiplier >= 0, noiseMultiplier.isFinite else {
      throw .invalidSetting(name: "noiseMultiplier", value: noiseMultiplier, expected: .finiteAtLeast(0))
    }
    guard noiseMultiplier == 0 || norm.isFinite else {
      throw .invalidSetting(
        name: "per-example norm", value: norm, expected: .words("a finite number, which the noise is proportional to"))
    }
    if let batchSize, !(batchSize > 0 && batchSize.isFinite) {
      throw .invalidSetting(name: "batchSize", value: batchSize, expected: .finiteAbove(0))
    }
  }

  /// The limit of a layer that has `count` of `total` parameters.
  func limit(ofLayer count: Int, of total: Int, layers: Int) -> Double {
    guard norm.isFinite else { return norm }
    return switch scope {
    case .example: norm
    case .uniformLayers: norm / Double(layers).squareRoot()
    case .proportionalLayers: norm * (Double(count) / Double(max(total, 1))).squareRoot()
    }
  }
}
