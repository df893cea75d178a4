// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// Nothing to call: this library is preloaded. See failing-disk.c.
