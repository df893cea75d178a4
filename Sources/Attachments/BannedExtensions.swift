// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import MIME

/// The extensions of files that are not let in.
package struct BannedExtensions: Sendable, Equatable {
  /// The extensions in lower case without a dot before them.
  package let extensions: Set<String>
  private let hasDots: Bool

  /// Takes a list as an administrator writes it: `exe`, `.EXE`, `tar.gz`.
  package init(_ list: some Sequence<String>) {
    extensions = Set(
      list.map { String($0.lowercased().drop { $0 == "." || $0 == "*" || $0 == " " }) }
        .filter { !$0.isEmpty })
    hasDots = extensions.contains { $0.contains(".") }
  }

  /// The extension by which `name` is banned, nil when it is not.
  package func extensionBanning(_ name: PartName) -> String? {
    extensionBanning(
      name.text, isFileName: name.isFileName,
      except: name.origin == .location ? Self.serverPages : [])
  }

  /// The extension by which a file called `text` is banned, nil when it is not.
  ///
  /// `isFileName` is false for a text that is no name of a file by itself, but could serve as one: a
  /// Content-ID, a parameter of another meaning. Such a text is often an address or a host: `com` bans
  /// none of these texts, other extensions that are also top-level domains no address and no host.
  /// Nothing excuses the name of a file, `invoice@acme.one` opens like any other; but for `com`:
  /// programs call parts `www.example.com`, and 64-bit Windows runs no 16-bit program. Those in `exceptions` ban no form of the name.
  package func extensionBanning(
    _ text: String, isFileName: Bool, except exceptions: Set<String> = []
  ) -> String? {
    for form in FileName.forms(of: text) {
      guard let found = banned(form), !exceptions.contains(found) else { continue }
      if found == "com", form.contains("@") || form.hasPrefix("www.") { continue }
      if !isFileName, Self.domains.contains(found), Self.isAddressOrHost(form, of: text, found) {
        continue
      }
      return found
    }
    return nil
  }

  /// Whether names of hosts end so, too.
  static func isOfHosts(_ found: String) -> Bool { domains.contains(found) }

  private func banned(_ name: String) -> String? {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return nil }
    let last = name[name.index(after: dot)...]
    // White space before an extension does not hide it.
    let word = String(last.drop { $0 == " " })
    if extensions.contains(word) { return word }
    // `name.{3050F4D8-...}`: Windows hides a class identifier and opens the file with the class.
    if !extensions.isEmpty, Self.isClassIdentifier(word) { return "{}" }
    return hasDots ? extensions.first { $0.contains(".") && name.hasSuffix("." + $0) } : nil
  }

  private static func isClassIdentifier(_ word: String) -> Bool {
    word.utf8.count == 38 && word.hasPrefix("{") && word.hasSuffix("}")
      && word.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == "-" }
  }

  /// `part1@example.one`, `www.example.one`, `http://example.one`, and all that ends in `com`: that is
  /// the end of a host nearly always.
  private static func isAddressOrHost(_ form: String, of text: String, _ found: String) -> Bool {
    found == "com" || form.contains("@") || form.hasPrefix("www.")
      || text.lowercased().hasSuffix("://" + form)
  }

  /// Extensions of pages that a server makes something of: `http://example.com/picture.aspx?id=3`.
  /// What stands in a Content-Location came from such a page, and on the recipient's machine nothing
  /// runs them.
  private static let serverPages: Set<String> = [
    "ashx", "asp", "aspx", "axd", "cfm", "cgi", "jsp", "jspx", "php", "phtml",
  ]

  /// Extensions that names of hosts have too.
  private static let domains: Set<String> = [
    "app", "cab", "com", "fm", "ins", "mov", "one", "pl", "ps", "pub", "py", "sh",
    "website", "ws", "zip",
  ]
}

extension BannedExtensions {
  /// What is banned where the configuration says nothing: the ancestor's list, and what Outlook and
  /// Gmail do not let in.
  package static let standard: [String] = """
    ade adp apk app appcontent-ms appinstaller application appref-ms appx appxbundle asd asp
    aspx asx bas bat bgi cab cdxml cer chm cmd cnt com cpl crt csh der diagcab diagcfg diagpkg
    dll dmg ex ex_ exe fxp gadget grp hlp hpj hta htc img inf ins iso isp its jar jnlp js jse
    ksh lib library-ms lnk mad maf mag mam maq mar mas mat mau mav maw mcf mda mdb mde mdt mdw
    mdz mht mhtml mjs msc msh msh1 msh1xml msh2 msh2xml mshxml msi msix msixbundle msp mst msu
    nsh ocx one onepkg ops osd pcd pif pl plg prf prg printerexport ps1 ps1xml ps2 ps2xml psc1
    psc2 psd1 psdm1 pssc pst py pyc pyo pyw pyz pyzw reg scf scr sct search-ms
    searchconnector-ms settingcontent-ms shb shs sys theme tmp udl url vb vbe vbp vbs vhd vhdx
    vsmacros vsw vxd webpnp website wll ws wsb wsc wsf wsh xbap xll xnk
    """.split { $0 == " " || $0 == "\n" }.map(String.init)
}
