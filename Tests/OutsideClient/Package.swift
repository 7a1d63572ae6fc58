// swift-tools-version: 6.2
import PackageDescription

// A package that uses the library as any other would, for Scripts/check-client.sh. The README shows it.
// snippet
let package = Package(
  name: "outside-client",
  dependencies: [
    // By name, since the identity of a package at a path is the name of its folder. Without traits: only the command needs
    // another package, the library needs none.
    .package(name: "swift-momentum", path: "../..", traits: [])
  ],
  targets: [
    .executableTarget(
      name: "OutsideClient",
      dependencies: [.product(name: "Momentum", package: "swift-momentum")])
  ],
  swiftLanguageModes: [.v6]
)
// end

// Examples of use, each with its expectation in the script.
package.targets += [
  .executableTarget(
    name: "Deconvolution", dependencies: [.product(name: "Momentum", package: "swift-momentum")])
]
for name in ["Digits", "MappedParameters"] {
  package.targets.append(
    .executableTarget(
      name: name,
      dependencies: [
        .product(name: "Momentum", package: "swift-momentum"),
        .product(name: "MomentumFiles", package: "swift-momentum"),
      ]))
}
