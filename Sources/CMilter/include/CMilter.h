/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#ifndef BMSD_CMILTER_H
#define BMSD_CMILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <libmilter/mfapi.h>

/* smfi_setmlreply is variadic, which Swift cannot call: the same with an array of at most
 * CMILTER_REPLY_LINES lines; more fail as libmilter itself would let them fail. */
#define CMILTER_REPLY_LINES 32
int cmilter_setreply(SMFICTX *context, const char *code, const char *enhanced,
                     const char *const *lines, size_t count);

/* From now on accept() returns no connection more, in whichever thread. */
void cmilter_end_accepting(void);
/* Exempts the calling thread from that. */
void cmilter_accept_always(void);

/* malloc makes no more arenas than `count` (M_ARENA_MAX, mallopt(3)); returns whether it agreed. */
bool cmilter_limit_arenas(int count);

#endif
