import XCTest

@testable import Momentum

final class BLASLibraryTests: XCTestCase {
  private let dynamic = "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Prescott MAX_THREADS=64"
  private let avx2: Set<String> = ["sse3", "avx", "avx2", "fma"]
  private let avx512: Set<String> = ["avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"]

  func testTheLoadedLibraryDescribesItself() {
    let info = BLAS.LibraryInfo.current
    XCTAssertTrue(info.config.hasPrefix("OpenBLAS"), info.config)
    XCTAssertNotNil(info.version)
    XCTAssertFalse(info.coreName.isEmpty)
    XCTAssertGreaterThan(info.threadCount, 0)
    XCTAssertGreaterThan(info.processorCount, 0)
    XCTAssertEqual(info.integerWidth, 32)
  }

  func testReadsTheVersion() {
    XCTAssertEqual(BLAS.LibraryInfo.version(in: dynamic), "0.3.21")
    XCTAssertEqual(BLAS.LibraryInfo.version(in: "OpenBLAS 0.3.29.dev  USE64BITINT Zen"), "0.3.29.dev")
    XCTAssertNil(BLAS.LibraryInfo.version(in: "OpenBLAS"))
    XCTAssertNil(BLAS.LibraryInfo.version(in: "NO_AFFINITY Haswell"))
  }

  func testRecommendsTheWidestVectorsOfTheProcessor() {
    XCTAssertEqual(recommendation("Prescott", avx512), "SkylakeX")
    XCTAssertEqual(recommendation("Haswell", avx512), "SkylakeX")
    XCTAssertEqual(recommendation("Prescott", avx2), "Haswell")
    XCTAssertEqual(recommendation("Sandybridge", avx2), "Haswell")
    // One of the four AVX-512 extensions is missing.
    XCTAssertEqual(recommendation("Prescott", avx512.subtracting(["avx512vl"])), "Haswell")
  }

  func testRecommendsNarrowerVectorsWhereWideOnesAreSplit() {
    let (zen3and4, zen5) = (25, 26)
    for core in ["Prescott", "SkylakeX", "Cooperlake"] {
      XCTAssertEqual(recommendation(core, avx512, family: zen3and4), "Zen", core)
    }
    XCTAssertNil(recommendation("Zen", avx512, family: zen3and4))
    XCTAssertNil(recommendation("Haswell", avx512, family: zen3and4))
    XCTAssertNil(recommendation("Zen", avx2, family: zen3and4))
    XCTAssertNil(recommendation("SkylakeX", avx512, family: zen5))
    XCTAssertEqual(recommendation("Zen", avx512, family: zen5), "SkylakeX")
  }

  func testRecommendsNothingWithoutAGain() {
    XCTAssertNil(recommendation("SkylakeX", avx512))
    XCTAssertNil(recommendation("Haswell", avx2))
    XCTAssertNil(recommendation("Zen", avx2))
    XCTAssertNil(recommendation("Prescott", ["sse3"]))
    XCTAssertNil(recommendation("Prescott", avx2.subtracting(["fma"])))
    // Unknown to this library: newer than it, or no x86-64 processor.
    XCTAssertNil(recommendation("SapphireRapids", avx512))
    XCTAssertNil(recommendation("neoversen1", []))
  }

  func testRecommendsNothingToALibraryBuiltForOneProcessor() {
    XCTAssertNil(
      BLASTraits.recommendedCoreType(
        config: "OpenBLAS 0.3.21 NO_AFFINITY Prescott", coreName: "Prescott", processor: processor(avx512)))
  }

  func testReadsTheProcessor() {
    let text = """
      processor\t: 0
      model\t\t: 207
      model name\t: Some Processor: 3 GHz
      flags\t\t: fpu sse3 avx2
      vmx flags\t: vnmi

      processor\t: 1
      model name\t: Another
      flags\t\t: fpu
      """
    let processor = Processor(cpuInfo: text)
    XCTAssertEqual(processor.model, "Some Processor: 3 GHz")
    XCTAssertEqual(processor.features, ["fpu", "sse3", "avx2"])
    XCTAssertFalse(processor.splitsWideVectors)
    XCTAssertEqual(Processor(cpuInfo: "").features, [])
  }

  private func recommendation(_ coreName: String, _ features: Set<String>, family: Int = 6) -> String? {
    BLASTraits.recommendedCoreType(
      config: dynamic, coreName: coreName, processor: processor(features, family: family))
  }

  private func processor(_ features: Set<String>, family: Int = 6) -> Processor {
    let vendor = family == 6 ? "GenuineIntel" : "AuthenticAMD"
    return Processor(
      cpuInfo: "vendor_id\t: \(vendor)\ncpu family\t: \(family)\nflags\t\t: \(features.joined(separator: " "))\n")
  }
}
