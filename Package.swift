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
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// Values and their sources: what every layer speaks.
let values: [Target.Dependency] = ["Addressing", "Environment", "Mail"]
/// What a policy module may use.
let libraries: [Target.Dependency] =
  values + [
    "Access", "Archives", "Attachments", "Configuration", "Digests", "DNS", "Greylisting", "MIME",
    "Milter", "Quarantine", "SPF", "Store", logging,
  ]
/// What the daemon is made of.
let daemon: [Target.Dependency] =
  libraries + ["Control", "Submission", "Policy", "Policies", "BMSDaemon"]

let package = Package(
  name: "bmsd",
  products: [
    .executable(name: "bmsd", targets: ["bmsd"]),
    // Never installed: tests preload it.
    .library(name: "FailingDisk", type: .dynamic, targets: ["FailingDisk"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // C: only the library that owns it imports it.
    .target(name: "CMilter", linkerSettings: [.linkedLibrary("milter")]),
    .systemLibrary(name: "CArchive", providers: [.apt(["libarchive-dev"])]),
    .target(
      name: "CMaps",
      linkerSettings: [.linkedLibrary("cdb"), .linkedLibrary("db"), .linkedLibrary("lmdb")]),
    .target(name: "CCrypto", linkerSettings: [.linkedLibrary("crypto")]),
    .systemLibrary(name: "CUnbound", providers: [.apt(["libunbound-dev"])]),
    .target(name: "CSPF2", linkerSettings: [.linkedLibrary("spf2")]),

    // Libraries: each answers one question and knows no policy.
    target("Addressing"),
    target("Environment"),
    target("Mail"),
    target("MIME", ["Mail"]),
    target("Archives", ["CArchive"]),
    target("Attachments", ["MIME", "Archives", "Mail"]),
    target("Milter", ["CMilter", "Mail", "Addressing"]),
    target("MilterClient", ["Mail", "Addressing"]),
    target("Configuration", ["Mail", "Addressing"]),
    target("Access", values + ["CMaps"]),
    target("Greylisting", ["Mail", "Addressing"]),
    target("DNS", ["Addressing", "CUnbound", "Environment"]),
    target("SPF", values + ["CSPF2", "DNS"]),
    target("Store", values + ["Greylisting", grdb, sqlite]),
    target("Digests", ["CCrypto"]),
    target("Quarantine", values + ["Digests", "Store"]),
    target("Submission", values),
    target("Control", ["Milter"]),

    // Policy: the runner and its modules.
    target("Policy", libraries),
    target("Policies", libraries + ["Policy"], exclude: ["README.md"]),

    // The daemon and its command line.
    target("BMSDaemon", libraries + ["Control", "Submission", "Policy", "Policies"]),
    .executableTarget(
      name: "bmsd",
      dependencies: daemon + [argumentParser],
      swiftSettings: strict),

    // What the tests of several targets share: conversations, clocks and files of their own.
    .target(
      name: "TestSupport", dependencies: daemon + ["MilterClient"], path: "Tests/TestSupport",
      swiftSettings: strict),

    // A disk that fails, for the daemons of tests.
    .target(name: "FailingDisk", path: "Tests/FailingDisk"),

    // What libFuzzer runs (`make fuzz`), and the ordinary tests with what it found.
    .target(
      name: "Fuzz",
      dependencies: daemon + ["MilterClient", "TestSupport"],
      path: "Tests/Fuzz",
      exclude: ["Corpus"], swiftSettings: strict),

    .executableTarget(
      name: "GreylistBenchmark", dependencies: libraries + ["Policy", "Policies", "TestSupport"],
      path: "Tests/Benchmarks/Greylist", swiftSettings: strict),
    .executableTarget(
      name: "MilterLoad",
      dependencies: ["Addressing", "Mail", "MilterClient", "SampleMail", argumentParser],
      path: "Tests/Benchmarks/MilterLoad", swiftSettings: strict),
    .target(
      name: "SampleMail", dependencies: ["MIME"], path: "Tests/Benchmarks/SampleMail",
      swiftSettings: strict),

    .executableTarget(
      name: "MIMEBenchmark", dependencies: ["MIME", "Archives", "Attachments", "SampleMail"],
      path: "Tests/Benchmarks/MIME", swiftSettings: strict),

    tests("AccessTests", ["Access", "Mail", "Environment", "TestSupport"]),
    tests("FuzzTests", ["Fuzz"]),
    tests("AddressingTests", ["Addressing"]),
    tests("MailTests", ["Mail"]),
    tests("MIMETests", ["MIME", "Mail"]),
    tests("ArchivesTests", ["Archives"]),
    tests("AttachmentsTests", ["Attachments", "Archives", "MIME", "Mail"]),
    tests("MilterTests", ["Milter", "MilterClient", "Mail", "Addressing"]),
    tests("MilterClientTests", ["MilterClient", "Mail", "Addressing"]),
    tests("ConfigurationTests", ["Configuration", "Mail", "Addressing"]),
    tests("GreylistingTests", ["Greylisting", "Mail", "Addressing"]),
    tests("DNSTests", ["DNS", "Addressing", "Environment", "TestSupport"]),
    tests("SPFTests", values + ["DNS", "SPF", "TestSupport"]),
    tests("StoreTests", values + ["Greylisting", "Store", "TestSupport", grdb]),
    tests("QuarantineTests", values + ["Digests", "Quarantine", "Store", "TestSupport", grdb]),
    tests("SubmissionTests", values + ["Submission", "TestSupport"]),
    tests("ControlTests", ["Control", "Milter", "TestSupport"]),
    tests("PolicyTests", libraries + ["Policy", "TestSupport"]),
    tests("PoliciesTests", libraries + ["Policy", "Policies", "TestSupport"]),
    tests("BMSDaemonTests", daemon + ["TestSupport", grdb]),
    tests(
      "WireTests", daemon + ["bmsd", "MilterClient", "TestSupport", grdb],
      exclude: ["miltertest"]),
  ],
  swiftLanguageModes: [.v6]
)
