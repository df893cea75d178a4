/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#ifndef BMSD_CARCHIVE_H
#define BMSD_CARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#endif
