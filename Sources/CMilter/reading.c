/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#define _GNU_SOURCE
#include "CMilter.h"
#include "reading.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* libmilter polls for each packet and for each of its two pieces, length and content, and reads
 * them one by one: five system calls for every header field, most of what a small message costs.
 * The definitions below pre-empt libc's for libmilter's connections, and for them alone: one read
 * takes what has come, later ones are served from it, and poll() knows of what is left.
 *
 * Only connections that libmilter's listener accepted are concerned, until they are closed; they
 * are blocking stream sockets, and no two threads read one of them at a time.
 *
 * Thread sanitizer must see every read itself: there libmilter reads as it always did. */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define READS_AHEAD 0
#endif
#endif
#ifndef READS_AHEAD
#define READS_AHEAD 1
#endif

#if READS_AHEAD

enum {
	/* Descriptors from here on are read as ever. */
	DESCRIPTORS = 1 << 16,
	/* Bytes that are read beyond what libmilter asked for. */
	AHEAD = 1 << 14,
};

/* What has been read and not asked for yet: never empty. */
struct unread {
	size_t begin, end;
	unsigned char bytes[AHEAD];
};

static _Atomic(struct unread *) unread[DESCRIPTORS];

enum { OTHER, CONNECTION, READABLE };
/* READABLE: the kernel said so, and nobody has read since. */
static atomic_uchar kind[DESCRIPTORS];

static bool is_connection(int descriptor)
{
	return descriptor >= 0 && descriptor < DESCRIPTORS && kind[descriptor] != OTHER;
}

static bool has_unread(int descriptor)
{
	return is_connection(descriptor) && unread[descriptor];
}

static void forget(int descriptor)
{
	kind[descriptor] = OTHER;
	free(atomic_exchange(&unread[descriptor], NULL));
}

void reading_began(int connection)
{
	if (connection < 0 || connection >= DESCRIPTORS)
		return;
	forget(connection);
	kind[connection] = CONNECTION;
}

static ssize_t read_unread(int descriptor, struct unread *held, void *buffer, size_t count)
{
	size_t length = held->end - held->begin;

	if (length > count)
		length = count;
	memcpy(buffer, held->bytes + held->begin, length);
	held->begin += length;
	if (held->begin == held->end) {
		unread[descriptor] = NULL;
		free(held);
	}
	return (ssize_t)length;
}

ssize_t read(int descriptor, void *buffer, size_t count)
{
	if (!is_connection(descriptor) || count == 0)
		return syscall(SYS_read, descriptor, buffer, count);

	struct unread *held = unread[descriptor];

	if (held)
		return read_unread(descriptor, held, buffer, count);
	kind[descriptor] = CONNECTION;
	/* Allocated first: what has been read can no longer be left where it was. */
	held = malloc(sizeof *held);
	if (!held || count > SSIZE_MAX - AHEAD) {
		free(held);
		return syscall(SYS_read, descriptor, buffer, count);
	}

	struct iovec places[] = {
		{.iov_base = buffer, .iov_len = count},
		{.iov_base = held->bytes, .iov_len = AHEAD},
	};
	ssize_t length = readv(descriptor, places, 2);

	if (length <= 0 || (size_t)length <= count) {
		int failure = errno;

		free(held);
		errno = failure;
		return length;
	}
	held->begin = 0;
	held->end = (size_t)length - count;
	unread[descriptor] = held;
	return (ssize_t)count;
}

static int kernel_poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	struct timespec limit = {
		.tv_sec = milliseconds / 1000,
		.tv_nsec = milliseconds % 1000 * 1000000L,
	};

	return ppoll(files, count, milliseconds < 0 ? NULL : &limit, NULL);
}

static int poll_one(struct pollfd *file, int milliseconds)
{
	if (!is_connection(file->fd) || !(file->events & POLLIN))
		return kernel_poll(file, 1, milliseconds);
	if (kind[file->fd] == READABLE || unread[file->fd]) {
		file->revents = POLLIN;
		return 1;
	}

	int found = kernel_poll(file, 1, milliseconds);

	if (found == 1 && file->revents & POLLIN)
		kind[file->fd] = READABLE;
	return found;
}

int poll(struct pollfd *files, nfds_t count, int milliseconds)
{
	if (count == 1)
		return poll_one(files, milliseconds);

	bool any = false;

	for (nfds_t i = 0; i < count && !any; i++)
		any = files[i].events & POLLIN && has_unread(files[i].fd);

	int found = kernel_poll(files, count, any ? 0 : milliseconds);

	if (!any || found < 0)
		return found;
	found = 0;
	for (nfds_t i = 0; i < count; i++) {
		if (files[i].events & POLLIN && has_unread(files[i].fd))
			files[i].revents |= POLLIN;
		found += files[i].revents != 0;
	}
	return found;
}

int close(int descriptor)
{
	if (is_connection(descriptor))
		forget(descriptor);
	return (int)syscall(SYS_close, descriptor);
}

#else

void reading_began(int connection) { (void)connection; }

#endif
