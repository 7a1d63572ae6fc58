import CMomentumLoadedBLAS
import Foundation
import MomentumTestSupport
import Synchronization
import XCTest

@testable import Momentum

final class BLASLibraryTests: XCTestCase {
  func testTheLoadedLibraryDescribesItself() {
    let info = BLAS.LibraryInfo.current
    XCTAssertEqual(info.integerWidth, 32)
    XCTAssertEqual(info.file?.hasPrefix("/"), true, info.name)
    XCTAssertFalse(info.name.isEmpty)
    guard let config = info.config else {
      // Another library: whatever OpenBLAS is loaded beside it must not answer for it.
      XCTAssertNil(info.coreName)
      XCTAssertNil(info.threadCount)
      XCTAssertEqual(info.kernelChoice, .library)
      return
    }
    XCTAssertTrue(config.hasPrefix("OpenBLAS"), config)
    XCTAssertNotNil(info.version)
    XCTAssertFalse(info.coreName?.isEmpty ?? true)
    XCTAssertGreaterThan(info.threadCount ?? 0, 0)
    XCTAssertGreaterThan(info.processorCount ?? 0, 0)
  }

  func testReadsTheVersion() {
    let dynamic = "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Prescott MAX_THREADS=64"
    XCTAssertEqual(BLAS.LibraryInfo.version(in: dynamic), "0.3.21")
    XCTAssertEqual(BLAS.LibraryInfo.version(in: "OpenBLAS 0.3.29.dev  USE64BITINT Zen"), "0.3.29.dev")
    XCTAssertNil(BLAS.LibraryInfo.version(in: "OpenBLAS"))
    XCTAssertNil(BLAS.LibraryInfo.version(in: "NO_AFFINITY Haswell"))
  }

  func testReadsTheProcessor() {
    let text = """
      processor\t: 0
      model\t\t: 207
      model name\t: Some Processor: 3 GHz

      processor\t: 1
      model name\t: Another
      """
    XCTAssertEqual(Processor.model(cpuInfo: text), "Some Processor: 3 GHz")
    XCTAssertEqual(Processor.model(cpuInfo: ""), "")
  }

  // MARK: Kernels

  private let avx2 = momentum_vectors(has_256_bits: 1, has_512_bits: 0, splits_512_bits: 0)
  private let avx512 = momentum_vectors(has_256_bits: 1, has_512_bits: 1, splits_512_bits: 0)
  private let zen4 = momentum_vectors(has_256_bits: 1, has_512_bits: 1, splits_512_bits: 1)
  private let none = momentum_vectors(has_256_bits: 0, has_512_bits: 0, splits_512_bits: 0)

  private func better(_ running: String, _ vectors: momentum_vectors) -> String? {
    momentum_better_kernels(running, vectors).map { String(cString: $0) }
  }

  func testTheWidestVectorsOfTheProcessorAreBetter() {
    XCTAssertEqual(better("Prescott", avx512), "SkylakeX")
    XCTAssertEqual(better("Haswell", avx512), "SkylakeX")
    XCTAssertEqual(better("Zen", avx512), "SkylakeX")
    for narrow in ["Prescott", "prescott", "Sandybridge", "Excavator", "Opteron_SSE3", "Unknown"] {
      XCTAssertEqual(better(narrow, avx2), "Haswell")
    }
  }

  func testNarrowerVectorsAreBetterWhereWideOnesAreSplit() {
    for core in ["Prescott", "SkylakeX", "Cooperlake"] { XCTAssertEqual(better(core, zen4), "Zen", core) }
    XCTAssertNil(better("Zen", zen4))
    XCTAssertNil(better("Haswell", zen4))
  }

  func testNothingIsBetterWithoutAGain() {
    XCTAssertNil(better("SkylakeX", avx512))
    XCTAssertNil(better("Haswell", avx2))
    XCTAssertNil(better("Zen", avx2))
    XCTAssertNil(better("Prescott", none))
    // Unknown to this library: newer than it, or no x86-64 processor.
    XCTAssertNil(better("SapphireRapids", avx512))
    XCTAssertNil(better("neoversen1", none))
  }

  /// Emulators and other processors aside, what the instruction says and what the system says agree.
  func testTheProcessorsVectorsAreThoseOfTheSystem() throws {
    let text = Platform.contents(ofSmallFile: "/proc/cpuinfo") ?? ""
    let line = try XCTUnwrap(
      text.split(separator: "\n").first { $0.hasPrefix("flags") } ?? (text.isEmpty ? nil : ""), "no /proc/cpuinfo")
    let flags = Set(line.split(separator: " "))
    let vectors = momentum_processor_vectors()
    XCTAssertEqual(vectors.has_256_bits != 0, flags.isSuperset(of: ["avx2", "fma"]))
    XCTAssertEqual(
      vectors.has_512_bits != 0,
      flags.isSuperset(of: ["avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"]))
  }

  /// OpenBLAS takes other kernels and gives right results, and the probes are run for the new ones.
  func testTakesKernels() throws {
    guard let before = BLAS.LibraryInfo.current.coreName, momentum_processor_vectors().has_256_bits != 0 else {
      throw XCTSkip("the library has no kernels to choose, or the processor none")
    }
    // What the caller has chosen would be kept.
    let ofCaller = getenv("OPENBLAS_CORETYPE").map { String(cString: $0) }
    unsetenv("OPENBLAS_CORETYPE")
    defer {
      if let ofCaller {
        setenv("OPENBLAS_CORETYPE", ofCaller, 1)
        XCTAssertEqual(BLAS.chooseKernels(), .environment)
      }
    }
    let environment = ProcessInfo.processInfo.environment
    // What an optimizer keeps from step to step.
    var found = FoundLoops<Float>()
    let factors = UnsafeMutablePointer<Float>.allocate(capacity: ProgramLoop<Float>.factorCount)
    defer { factors.deallocate() }
    var momentum = ProgramSignature()
    momentum.set(ProgramSignature.code(.axpy(Operand.gradient.rawValue), into: Operand.direction.rawValue), at: 0)
    momentum.set(ProgramSignature.code(.axpy(Operand.direction.rawValue), into: Operand.parameters.rawValue), at: 1)
    let storage = FusedHalfLoop.Storage(gradient: .bfloat16, hasHalfDirection: false, .float)
    for core in ["Prescott", "Haswell", before] {
      XCTAssertNotEqual(momentum_take_kernels(core), 0, core)
      BLASTraits.forgetBehavior()
      XCTAssertEqual(BLAS.LibraryInfo.current.coreName, core)
      XCTAssertEqual(BLAS.Behavior.probe(), BLASTraits.behavior)
      XCTAssertEqual(BLASTraits.behavior.axpyRounding, core == "Prescott" ? .separate : .fused, core)
      XCTAssertEqual(BLASTraits.dotDependsOnAlignment, core == "Prescott", core)
      let hasLoops = core != "Prescott" && StepKernels.vectors != nil
      XCTAssertEqual(found.find(momentum, factors) != nil, hasLoops, core)
      XCTAssertEqual(found.find(momentum, storage) != nil, hasLoops, core)
      if core != before {
        // Sums in the order of Haswell's kernels are written for the widest vectors, as programs are.
        let vectors = core == "Prescott" ? nil : StepKernels.vectors
        XCTAssertEqual(BLASTraits.behavior.floatNormLoop, vectors, core)
        XCTAssertEqual(BLASTraits.behavior.doubleNormLoop, vectors, core)
      }
      XCTAssertEqual(BLAS.selfCheck(.init() as BLAS.Routines<Float>, lengths: [33, 64, 129]), [], core)
      XCTAssertEqual(BLAS.selfCheck(.init() as BLAS.Routines<Double>, lengths: [33, 64, 129]), [], core)
    }
    XCTAssertEqual(ProcessInfo.processInfo.environment, environment)
    // With the right ones running, there is nothing to choose; those of the caller may be others.
    if ofCaller != nil { return }
    let choice = BLAS.chooseKernels()
    XCTAssertEqual(BLAS.LibraryInfo.current.coreName, before)
    XCTAssertNil(BLAS.LibraryInfo.current.recommendedCoreType)
    XCTAssertEqual(choice, BLAS.LibraryInfo.current.kernelChoice)
  }

  // MARK: Threads of the caller

  /// Two threads that multiply at the same time get what each would get alone. Without the lock, an OpenBLAS that was built
  /// without threads fails here within some thousand rounds.
  func testProductsMayMeet() {
    func products<S: BLASScalar>(_: S.Type) {
      let side = 64
      let differences = Mutex(0)
      DispatchQueue.concurrentPerform(iterations: 2) { thread in
        let a = (0..<side * side).map { S(($0 + thread) % 7 - 3) }
        let x = (0..<side).map { S($0 % 5 - 2 - thread) }
        func multiply(into c: inout [S], _ y: inout [S]) {
          let n = Int32(side)
          S._gemm(false, true, n, n, n, 1, a, n, a, n, 0, &c, n)
          S._gemv(false, n, n, 1, a, n, x, 1, 0, &y, 1)
        }
        // Sums of small whole numbers are exact.
        let c = (0..<side * side).map { place in
          (0..<side).reduce(0) { $0 + a[place / side * side + $1] * a[place % side * side + $1] }
        }
        let y = (0..<side).map { row in (0..<side).reduce(0) { $0 + a[row * side + $1] * x[$1] } }
        var (foundC, foundY) = (c, y)
        func areSame(_ first: [S], _ second: [S]) -> Bool {
          first.withUnsafeBytes { first in
            second.withUnsafeBytes { memcmp(first.baseAddress!, $0.baseAddress!, first.count) == 0 }
          }
        }
        for _ in 0..<20_000 {
          multiply(into: &foundC, &foundY)
          if !areSame(foundC, c) || !areSame(foundY, y) { differences.withLock { $0 += 1 } }
        }
      }
      XCTAssertEqual(differences.withLock { $0 }, 0, "wrong products of \(S.self)")
    }
    products(Float.self)
    products(Double.self)
    XCTAssertEqual(BLASTraits.behavior.sharesWorkBuffers, BLAS.LibraryInfo.current.threading == .sequential)
  }

  // MARK: Probes

  func testTheProbesTellWhatTheBLASDoes() {
    let behavior = BLASTraits.behavior
    XCTAssertNotEqual(behavior.axpyRounding, .mixed)
    XCTAssertEqual(BLAS.Behavior.axpyRounding(Float.self), BLAS.Behavior.axpyRounding(Double.self))
    XCTAssertGreaterThan(behavior.floatSumError, 0)
    XCTAssertGreaterThan(behavior.doubleSumError, 0)
    XCTAssertFalse(BLASTraits.axpyMixesFormulas)
    XCTAssertNoThrow(try BLASTraits.checkCounts())
  }

  func testWarnsOfWhatCostsSpeedOrDigits() {
    let good = BLAS.Behavior(
      integerWidth: 32, dotDependsOnAlignment: false, axpyRounding: .fused, sharesWorkBuffers: false, floatSumError: 3,
      doubleSumError: 3)
    XCTAssertEqual(good.warnings, [])
    let bad = BLAS.Behavior(
      integerWidth: 64, dotDependsOnAlignment: true, axpyRounding: .mixed, sharesWorkBuffers: true,
      floatSumError: 350.4,
      doubleSumError: 3)
    XCTAssertEqual(
      bad.warnings,
      [
        "counts with 64-bit integers and is refused",
        "the bits of its dot depend on alignment, so tiles that are not aligned are copied first",
        "its axpy rounds elements in two ways, so steps use slower loops instead",
        "it was built without threads, so products of matrices are computed one at a time",
        "its dot of 2048 Floats is off by 350 units of the last place, so norms lose digits",
      ])
  }
}
