// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  // Lets our own storage hand out spans; swift-collections and swift-nio use it for the same purpose.
  .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
  name: "swift-momentum",
  products: [
    .library(name: "Momentum", targets: ["Momentum"]),
    .library(name: "MomentumLAPACK", targets: ["MomentumLAPACK"]),
    .library(name: "MomentumFiles", targets: ["MomentumFiles"]),
    .library(name: "MomentumMPI", targets: ["MomentumMPI"]),
    .executable(name: "momentum", targets: ["MomentumProgram"]),
    .executable(name: "momentum-mpi", targets: ["MomentumMPIProgram"]),
  ],
  traits: [
    .default(enabledTraits: ["CommandLine"]),
    .trait(
      name: "CommandLine",
      description: "The command. A client that wants the library only and says `traits: []` resolves no other package."),
    .trait(name: "MPI", description: "Optimizers over the ranks of an MPI program. Needs an MPI with its headers."),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
  ],
  targets: [
    .systemLibrary(
      name: "CMomentumBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CMomentumLAPACKE", pkgConfig: "lapacke",
      providers: [.apt(["liblapacke-dev"]), .brew(["lapack"])]),
    // What Swift cannot say: loops on the processor's widest vectors, and a hint to it. In C that needs nothing but a compiler.
    .target(name: "CMomentumKernels", exclude: ["half_stores.inc"]),

    // Which BLAS the process has loaded, and the choice of OpenBLAS's kernels while it is loaded.
    .target(name: "CMomentumLoadedBLAS", dependencies: ["CMomentumBLAS"]),

    // The engine: nothing but the C libraries and Swift's own modules.
    .target(
      name: "Momentum", dependencies: ["CMomentumBLAS", "CMomentumLoadedBLAS", "CMomentumKernels"],
      swiftSettings: settings),

    // Apart from the engine, because LAPACKE brings LAPACK, a second name of BLAS and Fortran's runtime along.
    .target(name: "MomentumLAPACK", dependencies: ["Momentum", "CMomentumLAPACKE"], swiftSettings: settings),

    // Tensor files, and optimizers in them. Apart from the engine, because it reads JSON with Foundation.
    .systemLibrary(name: "CMomentumFiles"),
    .target(name: "MomentumFiles", dependencies: ["Momentum", "CMomentumFiles"], swiftSettings: settings),

    // Several processes. Nothing of MPI is looked for without the trait; MPICH's name for pkg-config is "mpich".
    .systemLibrary(
      name: "CMomentumMPI", pkgConfig: Context.environment["MPI_PKG_CONFIG"] ?? "mpi-c",
      providers: [.apt(["libopenmpi-dev"]), .brew(["open-mpi"])]),
    .target(
      name: "MomentumMPI",
      dependencies: [
        "Momentum", "MomentumFiles", .target(name: "CMomentumMPI", condition: .when(traits: ["MPI"])),
      ],
      swiftSettings: settings),

    // Reference values and their evaluation, for `momentum validate` and the tests.
    .target(name: "MomentumReference", dependencies: ["Momentum"], swiftSettings: settings),

    // What the memory allows: hand-fused loops in C that `momentum bench` compares the engine with. No library links it.
    .target(name: "CMomentumLimit", exclude: ["limit_half.inc", "limit_kernels.inc"]),

    // What the command does before the libraries of its process are initialised, and in the handler of a signal.
    .target(name: "CMomentumProcess"),

    // The commands, and the programs that run them. Without the trait MPI the second one only says so.
    .target(
      name: "MomentumCLI",
      dependencies: [
        "Momentum", "MomentumLAPACK", "MomentumFiles", "MomentumMPI", "MomentumReference", "CMomentumLimit",
        "CMomentumProcess",
        .product(
          name: "ArgumentParser", package: "swift-argument-parser",
          condition: .when(traits: ["CommandLine"])),
      ],
      resources: [.copy("Resources/digits.bin"), .copy("Resources/digits-attribution.txt")],
      swiftSettings: settings),
    .executableTarget(name: "MomentumProgram", dependencies: ["MomentumCLI"], swiftSettings: settings),
    .executableTarget(name: "MomentumMPIProgram", dependencies: ["MomentumCLI"], swiftSettings: settings),

    // Steps, is killed, goes on: Scripts/soak.sh.
    .executableTarget(
      name: "MomentumSoak", dependencies: ["Momentum", "MomentumFiles"], path: "Tests/Fuzz/Soak",
      swiftSettings: settings),
    // Takes random steps in several ways and compares them: Scripts/fuzz.sh steps. No product, so no client sees it.
    .executableTarget(
      name: "MomentumStepFuzz", dependencies: ["Momentum", "MomentumFiles"], path: "Tests/Fuzz/Steps",
      swiftSettings: settings),

    .target(
      name: "MomentumTestSupport", dependencies: ["Momentum"],
      path: "Tests/MomentumTestSupport", swiftSettings: settings),
    // A program that uses the library, for tests of what happens to a process.
    .executableTarget(
      name: "MomentumTestHost", dependencies: ["Momentum"], path: "Tests/MomentumTestHost", swiftSettings: settings),
    // The tests of the engine: of its floors up to the clips, and of the rules and the optimizer above them. Two modules, because
    // one alone took most of a release build with a processor idle.
    .testTarget(
      name: "MomentumTests",
      dependencies: [
        "Momentum", "CMomentumKernels", "CMomentumLoadedBLAS", "MomentumTestSupport", "MomentumTestHost",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "MomentumOptimizerTests",
      dependencies: ["Momentum", "MomentumTestSupport", "MomentumTestHost"], swiftSettings: settings),
    .testTarget(
      name: "MomentumLAPACKTests", dependencies: ["MomentumLAPACK", "Momentum", "MomentumTestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "MomentumFilesTests",
      dependencies: ["MomentumFiles", "CMomentumFiles", "Momentum", "MomentumReference", "MomentumTestSupport"],
      swiftSettings: settings),
    // What needs no MPI of the library for several processes; the rest is Scripts/test-mpi.sh.
    .testTarget(
      name: "MomentumMPITests", dependencies: ["MomentumMPI", "Momentum", "MomentumTestSupport"],
      swiftSettings: settings),
    // Runs one case on the ranks that mpirun starts: Scripts/test-mpi.sh.
    .executableTarget(
      name: "MomentumMPICases", dependencies: ["Momentum", "MomentumFiles", "MomentumMPI"], path: "Tests/MPI",
      swiftSettings: settings),
    .testTarget(
      name: "MomentumReferenceTests", dependencies: ["MomentumReference", "Momentum"],
      swiftSettings: settings),
    .testTarget(
      name: "MomentumCLITests",
      dependencies: [
        "MomentumCLI", "MomentumProgram", "MomentumStepFuzz", "CMomentumLimit", "Momentum", "MomentumFiles",
        "MomentumTestSupport",
        .product(
          name: "ArgumentParser", package: "swift-argument-parser",
          condition: .when(traits: ["CommandLine"])),
      ],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
