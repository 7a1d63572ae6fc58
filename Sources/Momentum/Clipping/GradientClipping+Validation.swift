extension GradientClipping {
  /// Checks the settings, which may have been assigned one by one.
  func validate(_ convention: Convention) throws(MomentumError) {
    // The usual clip: in place it is made and checked with every call, and what follows takes as long as a thousand elements.
    if let limit = onlyGlobalNorm, limit >= 0 { return }
    // A range with NaN cannot be made with `...`, but a decoded one could have it.
    if let value, !(value.lowerBound <= value.upperBound) {
      throw .invalidSetting(name: "clip value", value: "\(value)", expected: "a range of numbers")
    }
    if let value, value.lowerBound == .infinity || value.upperBound == -.infinity {
      throw .invalidSetting(name: "clip value", value: "\(value)", expected: "a range that holds a finite number")
    }
    func check(_ name: String, _ limit: Double) throws(MomentumError) {
      guard !(limit >= 0) else { return }
      throw .invalidSetting(
        name: name, value: limit, expected: .words("a number >= 0; \(convention.fate(of: limit))"))
    }
    switch tensor {
    case .norm(let limit): try check("clip norm", limit)
    case .unitNorm(let limit, let units):
      try check("clip norm", limit)
      try requireEuclidean(units == .tensor ? nil : "to clip units")
      if algorithm != .blas, units != .tensor {
        throw .invalidSetting(name: "algorithm", value: algorithm.rawValue, expected: "blas to clip units")
      }
    case .rootMeanSquare(let limit):
      try check("clip block RMS", limit)
      try requireEuclidean("to clip by block RMS")
    case nil: break
    }
    switch whole {
    case .norm(let limit): try check("clip global norm", limit)
    case .target(let target):
      guard target > 0, target.isFinite else {
        throw .invalidSetting(name: "target norm", value: target, expected: .positive)
      }
    case nil: break
    }
    // An infinite limit only measures.
    let clipsWhole = whole != nil && whole != .norm(.infinity)
    let clipsTensors = if case .norm = tensor { true } else { unitLimit != nil }
    try normType.validate(forClipping: clipsTensors || clipsWhole)
    guard convention == .keras else { return }
    let clips = [value != nil, tensor != nil, clipsWhole].count { $0 }
    if clips > 1 {
      throw .invalidSetting(
        name: "clipping", value: "\(clips) kinds at once", expected: "at most one under the keras convention")
    }
  }

  /// - Parameter purpose: The setting that requires a 2-norm, if one does.
  private func requireEuclidean(_ purpose: String?) throws(MomentumError) {
    guard let purpose, normType != .l2 else { return }
    throw .invalidSetting(name: "normType", value: normType.order, expected: .words("2 \(purpose)"))
  }
}

extension Convention {
  /// The effect, in the library of this convention, of a limit that is refused here.
  fileprivate func fate(of limit: Double) -> String {
    switch self {
    case .native: "a negative limit would flip the sign of the gradient"
    case .pytorch: limit.isNaN ? "PyTorch would make every element NaN" : "PyTorch would flip the sign of the gradient"
    case .keras: "Keras would silently not clip"
    case .optax: limit.isNaN ? "Optax would make every element NaN" : "Optax would flip the sign of the gradient"
    case .mlx: limit.isNaN ? "MLX would make every element NaN" : "mlx-swift would flip the sign of the gradient"
    }
  }
}
