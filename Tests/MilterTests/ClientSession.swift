// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import MilterClient

/// The MTA's side; the filter's side has a class of that name too.
typealias ClientSession = MilterSession
