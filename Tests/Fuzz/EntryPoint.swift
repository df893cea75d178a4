// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// The target that the variable `FUZZ_TARGET` names.
private let target = getenv("FUZZ_TARGET").flatMap {
  FuzzTarget(rawValue: String(cString: $0))
}

/// What libFuzzer calls with each input; it ends the process where something does not hold.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let target else {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    fatalError("set FUZZ_TARGET to one of \(names)")
  }
  let bytes = Array(UnsafeBufferPointer(start: start, count: start == nil ? 0 : count))
  if let fault = target.fault(bytes) { fatalError("\(target.rawValue): \(fault)") }
  return 0
}
