/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#ifndef BMSD_CSPF2_H
#define BMSD_CSPF2_H

#include <stdbool.h>
#include <stddef.h>

/* One check by libspf2, with its DNS questions answered by the caller, its explanations left out,
 * and its assertions caught: by default they abort the process. */

/* The records of an answer, to be filled by the caller. */
typedef struct cspf2_answer cspf2_answer;

enum cspf2_status { CSPF2_FOUND, CSPF2_NO_DATA, CSPF2_NO_NAME, CSPF2_FAILURE };

/* Adds a record: an address of 4 or 16 octets, or a text or name without NUL. */
void cspf2_add(cspf2_answer *answer, const void *bytes, size_t length);

/* Answers a question of libspf2; called on the thread of cspf2_check. */
typedef enum cspf2_status (*cspf2_fetch)(void *context, const char *name, int type,
                                         cspf2_answer *answer);

enum cspf2_result {
	CSPF2_NEUTRAL, CSPF2_PASS, CSPF2_FAIL, CSPF2_SOFTFAIL, CSPF2_NONE, CSPF2_TEMPERROR,
	CSPF2_PERMERROR, CSPF2_BROKEN
};

/* All texts are ASCII without NUL. `problem` gets the library's first error message. CSPF2_BROKEN:
 * an assertion of the library failed. */
enum cspf2_result cspf2_check(const char *client, bool is_ipv4, const char *helo,
                              const char *sender, const char *receiver, cspf2_fetch fetch,
                              void *context, char *problem, size_t problem_size);

#endif
