// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Configuration
internal import Glibc
internal import Milter
internal import Policies
internal import Policy

extension Setup {
  /// Files that bmsd makes must be files of their own: one that another option names too, or that
  /// lies among the kept originals, would be overwritten or moved away.
  static func pathFaults(_ configuration: Configuration) -> [ConfigurationFault] {
    let places = ownPlaces(configuration)
    var others = readPlaces(configuration)
    var faults: [ConfigurationFault] = []
    for place in places {
      defer { others.append(place) }
      if let other = others.first(where: { $0.isSame(as: place) }) {
        faults.append(
          configuration.fault(
            "\(place.path) is \(other.meaning) too: name a file of its own", option: place.option))
      }
    }
    let quarantine = configuration.settings(QuarantineOptions.self)
    guard quarantine.isPresent, !quarantine.dir.path.isEmpty else { return faults }
    let folder = Place("", quarantine.dir.path, "")
    for place in places where place.isWithin(folder) {
      faults.append(
        configuration.fault(
          "\(place.path) lies in [quarantine] dir, where only originals may be: name another place",
          option: place.option))
    }
    return faults
  }

  /// What bmsd only reads.
  private static func readPlaces(_ configuration: Configuration) -> [Place] {
    var places = [Place("", configuration.name, "the configuration file")]
    let bans = configuration.settings(BannedIPs.Options.self).file.path
    let notice = configuration.settings(DefangOptions.self).notice.path
    let access = configuration.settings(SPFOptions.self).accessFile
    if !bans.isEmpty { places.append(Place("", bans, "[banned_ips] file")) }
    if !notice.isEmpty { places.append(Place("", notice, "[defang] notice")) }
    if !access.isEmpty {
      places.append(Place("", AccessLocation(access).path, "[spf] access_file"))
    }
    return places
  }

  /// What bmsd makes and writes.
  private static func ownPlaces(_ configuration: Configuration) -> [Place] {
    var places: [Place] = []
    func add(_ option: String, _ path: String, _ meaning: String) {
      places.append(Place(option, path, meaning))
    }
    let store = configuration.settings(StoreOptions.self)
    if store.isPresent {
      let path = store.path.path
      add("store.path", path, "[store] path")
      for end in databaseEnds { add("store.path", path + end, "a file of [store] path") }
      add("store.path", "\(Privileges.folder(of: path))/bms.conf.good", "the last good file")
    }
    let trail = configuration.settings(TrailOptions.self)
    if trail.isPresent {
      let path = trail.path.path
      add("trail.path", path, "[trail] path")
      for end in databaseEnds { add("trail.path", path + end, "a file of [trail] path") }
    }
    if case .unix(let path) = configuration.settings(MilterOptions.self).socket {
      add("milter.socket", path, "[milter] socket")
    }
    add(
      "control.socket", configuration.settings(ControlOptions.self).socket.path, "[control] socket")
    return places
  }

  /// What stands beside a database.
  private static let databaseEnds = ["-wal", "-shm", ".lock"]

  /// A file that an option names.
  private struct Place {
    let option: String?
    let path: String
    let meaning: String
    /// The path without links, as far as it leads anywhere.
    private let real: String
    private let identity: (device: UInt64, inode: UInt64)?

    init(_ option: String, _ path: String, _ meaning: String) {
      self.option = option.isEmpty ? nil : option
      self.path = path
      self.meaning = meaning
      real = Self.resolved(path)
      var status = stat()
      identity =
        stat(path, &status) == 0 ? (UInt64(status.st_dev), UInt64(status.st_ino)) : nil
    }

    func isSame(as other: Place) -> Bool {
      if real == other.real { return true }
      guard let identity, let other = other.identity else { return false }
      return identity == other
    }

    /// Whether it is that folder or lies in it.
    func isWithin(_ folder: Place) -> Bool {
      isSame(as: folder) || real.hasPrefix(folder.real == "/" ? "/" : folder.real + "/")
    }

    /// With the links of what exists followed, and `.` and `..` done away with.
    private static func resolved(_ path: String) -> String {
      var rest: [Substring] = []
      var known = path
      while known != "/", !known.isEmpty {
        if let real = realpath(known, nil) {
          defer { free(real) }
          known = String(cString: real)
          break
        }
        let slash = known.lastIndex(of: "/") ?? known.startIndex
        rest.insert(known[slash...].drop { $0 == "/" }, at: 0)
        known = String(known[..<slash])
      }
      var parts = known.split(separator: "/")
      for part in rest where !part.isEmpty && part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
      }
      return "/" + parts.joined(separator: "/")
    }
  }
}
