// swift-tools-version: 6.2
import PackageDescription

// A package that uses the library as any other would, for Scripts/check-client.sh.
let package = Package(
  name: "outside-client",
  dependencies: [
    // By name, since the identity of a package at a path is the name of its folder, which may be any. Without traits: the
    // library needs no other package, only the command does.
    .package(name: "swift-momentum", path: "../..", traits: [])
  ],
  targets: [
    .executableTarget(
      name: "OutsideClient",
      dependencies: [.product(name: "Momentum", package: "swift-momentum")])
  ],
  swiftLanguageModes: [.v6]
)
