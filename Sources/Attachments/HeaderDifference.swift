// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import MIME
internal import Mail

/// The edits that turn one header into another, as an MTA makes them: by name and occurrence.
struct HeaderDifference {
  private(set) var edits: [Edit] = []

  init(
    from old: MessageBytes, _ oldHeader: Range<Int>, to new: MessageBytes, _ newHeader: Range<Int>
  ) {
    guard old[oldHeader] != new[newHeader] else { return }
    let before = Self.values(old, oldHeader)
    let after = Self.values(new, newHeader)
    for name in before.order + after.order.filter({ before.values[$0] == nil }) {
      let oldValues = before.values[name]?.values ?? []
      let newValues = after.values[name]?.values ?? []
      let spelling = (before.values[name] ?? after.values[name])?.spelling ?? ""
      guard oldValues != newValues else { continue }
      for (index, value) in newValues.enumerated() {
        if index >= oldValues.count {
          edits.append(.addHeader(name: spelling, value: value))
        } else if oldValues[index] != value {
          edits.append(.changeHeader(name: spelling, occurrence: index + 1, value: value))
        }
      }
      // From the last to the first: each deletion renumbers what follows.
      var occurrence = oldValues.count
      while occurrence > newValues.count {
        edits.append(.changeHeader(name: spelling, occurrence: occurrence, value: nil))
        occurrence -= 1
      }
    }
  }

  private struct Named {
    var spelling: String
    var values: [MailText] = []
  }

  private static func values(
    _ text: MessageBytes, _ header: Range<Int>
  ) -> (order: [MailText], values: [MailText: Named]) {
    var order: [MailText] = []
    var values: [MailText: Named] = [:]
    for position in text.fields(in: header) {
      let field = text.field(at: position)
      let key = field.name.lowercased
      if values[key] == nil {
        order.append(key)
        values[key] = Named(spelling: String(decoding: field.name.bytes, as: UTF8.self))
      }
      values[key]?.values.append(field.value)
    }
    return (order, values)
  }
}
