/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#define _GNU_SOURCE
#include "CMilter.h"
#include "reading.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

/* libmilter's own thread takes HUP, TERM and INT with sigwait() and stops the process on any of
 * them, HUP included. This definition pre-empts libc's for libmilter, so that its thread never
 * gets a signal; bmsd takes its signals with sigwaitinfo(). Nothing else in the process may call
 * sigwait. */
int sigwait(const sigset_t *set, int *signal_number)
{
	(void)set;
	(void)signal_number;
	for (;;)
		pause();
}

/* Where descriptors or memory have run out, libmilter's listener calls accept() again at once and
 * for ever: a whole processor, taken from the sessions that could end it. This definition pre-empts
 * libc's in the same way; it waits a moment before it tells of the failure. The connection stays in
 * the backlog meanwhile. Once accepting has ended, libmilter's listener, which does nothing else,
 * stays here: what comes waits in the backlog for the next process. */
static atomic_bool accepting_ended;
static _Thread_local bool accepts_always;

void cmilter_end_accepting(void) { accepting_ended = true; }
void cmilter_accept_always(void) { accepts_always = true; }

int accept(int listener, struct sockaddr *restrict address, socklen_t *restrict length)
{
	while (accepting_ended && !accepts_always)
		pause();

	int connection = accept4(listener, address, length, SOCK_CLOEXEC);

	if (connection < 0) {
		int failure = errno;

		if (failure == EMFILE || failure == ENFILE || failure == ENOMEM || failure == ENOBUFS)
			poll(NULL, 0, 100);
		errno = failure;
	} else if (!accepts_always) {
		reading_began(connection);
	}
	return connection;
}

bool cmilter_limit_arenas(int count) { return mallopt(M_ARENA_MAX, count) == 1; }

int cmilter_setreply(SMFICTX *context, const char *code, const char *enhanced,
                     const char *const *lines, size_t count)
{
	const char *l[CMILTER_REPLY_LINES] = {0};

	if (count == 0 || count > CMILTER_REPLY_LINES)
		return MI_FAILURE;
	for (size_t i = 0; i < count; i++)
		l[i] = lines[i];
	return smfi_setmlreply(context, code, enhanced,
		l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7],
		l[8], l[9], l[10], l[11], l[12], l[13], l[14], l[15],
		l[16], l[17], l[18], l[19], l[20], l[21], l[22], l[23],
		l[24], l[25], l[26], l[27], l[28], l[29], l[30], l[31], (char *)NULL);
}
