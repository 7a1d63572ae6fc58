import Momentum

/// The BLAS of this process in a record of the machine. A fact that the library does not tell is `nil`, and left out of
/// JSON.
struct BLASRecord: Encodable {
  /// The file that serves the routines, and the one that serves LAPACK and other code in Fortran.
  let file, fortranFile: String?
  let config, version: String?
  let coreType: String?
  /// Who has chosen the kernels: `library`, `environment` or `momentum`; `nobody` if better ones were not taken.
  let coreTypeChosenBy: String
  /// The kernels before momentum chose.
  let coreTypeBefore: String?
  /// Why better kernels were not taken.
  let coreTypeRefusal: String?
  let recommendedCoreType: String?
  let threading: String?
  let threads: Int?
  let threadsChosenBy: Launch.ThreadChoice
  let integerBits: Int
  let dotDependsOnAlignment: Bool
  let axpyRounding: String
  /// Whether products of matrices are computed one at a time.
  let sharesWorkBuffers: Bool
  /// The largest relative error of the sum of squares of a tile, in units of half of `ulpOfOne`.
  let floatSumError, doubleSumError: Double
  /// The vectors of the loops by which norms sum squares with the bits of dot; left out where they call dot.
  let floatNormLoop, doubleNormLoop: String?
  let warnings: [String]

  /// The library's name for a line of text, and the choice of its kernels as a sentence.
  let name, kernelChoice: String

  private enum CodingKeys: String, CodingKey {
    case file, fortranFile, config, version, coreType, coreTypeChosenBy, coreTypeBefore, coreTypeRefusal
    case recommendedCoreType, threading, threads, threadsChosenBy, integerBits, dotDependsOnAlignment, axpyRounding
    case sharesWorkBuffers, floatSumError, doubleSumError, floatNormLoop, doubleNormLoop, warnings
  }

  init(_ info: BLAS.LibraryInfo, threadsChosenBy: Launch.ThreadChoice) {
    (file, fortranFile, config, version) = (info.file, info.fortranFile, info.config, info.version)
    coreType = info.coreName
    switch info.kernelChoice {
    case .library: (coreTypeChosenBy, coreTypeBefore, coreTypeRefusal) = ("library", nil, nil)
    case .environment: (coreTypeChosenBy, coreTypeBefore, coreTypeRefusal) = ("environment", nil, nil)
    case .momentum(let before): (coreTypeChosenBy, coreTypeBefore, coreTypeRefusal) = ("momentum", before, nil)
    case .refused(let reason): (coreTypeChosenBy, coreTypeBefore, coreTypeRefusal) = ("nobody", nil, reason.rawValue)
    }
    recommendedCoreType = info.recommendedCoreType
    (threading, threads) = (info.threading?.rawValue, info.threadCount)
    // Builds with OpenMP do not listen to the variable.
    self.threadsChosenBy = threadsChosenBy == .momentum && info.threadCount != 1 ? .library : threadsChosenBy
    integerBits = info.integerWidth
    dotDependsOnAlignment = info.behavior.dotDependsOnAlignment
    axpyRounding = info.behavior.axpyRounding.rawValue
    sharesWorkBuffers = info.behavior.sharesWorkBuffers
    (floatSumError, doubleSumError) = (info.behavior.floatSumError, info.behavior.doubleSumError)
    (floatNormLoop, doubleNormLoop) = (info.behavior.floatNormLoop, info.behavior.doubleNormLoop)
    warnings = info.warnings
    (name, kernelChoice) = (info.name, "\(info.kernelChoice)")
  }

  /// Name and kernels in one line: all that the same run gives again on the same machine.
  var summary: String { name + (coreType.map { "; core \($0)" } ?? "") }
}
