// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that clients of the library never resolve what only benchmarks need.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "momentum-benchmarks",
  dependencies: [
    // A path dependency is known by the name of its folder, which differs from checkout to checkout.
    .package(name: "swift-momentum", path: "..", traits: []),
    // Without traits it leaves out its interposers. Malloc metrics then read 0 and say nothing: no benchmark asks for them.
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
  ],
  targets: [
    .executableTarget(
      name: "MomentumBenchmarks",
      dependencies: [
        .product(name: "Momentum", package: "swift-momentum"),
        .product(name: "Benchmark", package: "benchmark"),
      ],
      path: "Benchmarks/MomentumBenchmarks",
      swiftSettings: settings,
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),

    // Counts calls of malloc: glibc only, which is where its names for the real ones exist.
    .target(name: "CAllocationCount"),
    .executableTarget(
      name: "AllocationCount",
      dependencies: ["CAllocationCount", .product(name: "Momentum", package: "swift-momentum")],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
