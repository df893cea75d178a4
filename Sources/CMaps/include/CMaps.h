// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// Reading the lookup tables of Postfix and Sendmail with the libraries that wrote them: Berkeley DB
// (hash), tinycdb and LMDB. A shim, because libdb is used through function pointers of its structs
// and libcdb through macros, and so that one function each does the whole of it.

#ifndef BMS_CMAPS_H
#define BMS_CMAPS_H

#include <stddef.h>
#include <stdint.h>

// Damaged files make libdb turn in circles and liblmdb touch pages that are not there, so a table is
// read by a child process, which hands over what it finds: its end is not ours.

// Takes one entry; anything but 0 ends the reading, which then returns BMS_MAP_STOPPED.
typedef int (*bms_map_taker)(
  void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t value_length);

enum bms_map_kind { BMS_MAP_HASH, BMS_MAP_CDB, BMS_MAP_LMDB };

// What bms_map_read returns besides 0: an errno, ETIMEDOUT among them, or one of these.
enum {
  BMS_MAP_STOPPED = -1,
  // The file is no table of this kind, or damaged.
  BMS_MAP_DAMAGED = -2,
};

// Reads every entry within `milliseconds`. An entry is at most BMS_MAP_ENTRY bytes; a longer one
// counts as damage.
int bms_map_read(
  enum bms_map_kind kind, const char *path, int milliseconds, bms_map_taker take, void *context);

enum { BMS_MAP_ENTRY = 65536 };

#endif
