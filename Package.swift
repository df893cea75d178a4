// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A library or application target with the house's compiler settings.
func target(
  _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
  .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

/// The tests of one target; test folders carry the target's name.
func tests(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
  name: "bmsd",
  products: [.executable(name: "bmsd", targets: ["bmsd"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    // C: only the library that owns it imports it.
    .target(name: "CMilter", linkerSettings: [.linkedLibrary("milter")]),

    // Libraries: each answers one question and knows no policy.
    target("Addressing"),
    target("Mail"),
    target("Milter", ["CMilter", "Mail", "Addressing"]),
    target("MilterClient", ["Mail", "Addressing"]),
    target("Configuration", ["Mail", "Addressing"]),

    // Policy: the runner and its modules.
    target("Policy", ["Milter", "Mail", "Addressing", "Configuration", logging]),
    target(
      "Policies", ["Policy", "Milter", "Mail", "Addressing", "Configuration"],
      exclude: ["README.md"]),

    // The daemon and its command line.
    target(
      "BMSDaemon",
      ["Policies", "Policy", "Milter", "Mail", "Addressing", "Configuration", logging]),
    .executableTarget(
      name: "bmsd",
      dependencies: [
        "BMSDaemon", "Policies", "Policy", "Milter", "Mail", "Addressing", "Configuration",
        argumentParser, logging,
      ],
      swiftSettings: strict),

    // What the tests of several targets share: conversations, clocks and files of their own.
    .target(
      name: "TestSupport",
      dependencies: [
        "BMSDaemon", "Policies", "Policy", "Milter", "MilterClient", "Mail", "Addressing",
        "Configuration", logging,
      ],
      path: "Tests/TestSupport",
      swiftSettings: strict),

    tests("AddressingTests", ["Addressing"]),
    tests("MailTests", ["Mail"]),
    tests("MilterTests", ["Milter", "MilterClient", "Mail", "Addressing"]),
    tests("MilterClientTests", ["MilterClient", "Mail", "Addressing"]),
    tests("ConfigurationTests", ["Configuration", "Mail", "Addressing"]),
    tests(
      "PolicyTests",
      ["TestSupport", "Policy", "Milter", "Mail", "Addressing", "Configuration", logging]),
    tests(
      "PoliciesTests",
      ["TestSupport", "Policies", "Policy", "Milter", "Mail", "Addressing", "Configuration"]),
    tests(
      "BMSDaemonTests",
      [
        "TestSupport", "BMSDaemon", "Policies", "Policy", "Milter", "Mail", "Addressing",
        "Configuration", logging,
      ]),
    tests(
      "WireTests",
      ["TestSupport", "bmsd", "MilterClient", "Policy", "Milter", "Mail", "Addressing"],
      exclude: ["miltertest"]),
  ],
  swiftLanguageModes: [.v6]
)
