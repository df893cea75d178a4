// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// A disk that begins to fail: preloaded, it stands before the calls that change a file.
//
// FAILING_DISK_PATH   files whose path begins like this are on the disk
// FAILING_DISK_AFTER  so many calls go well before
// FAILING_DISK_COUNT  so many calls fail then; all of them when it is not set
// FAILING_DISK_ERRNO  the error, as a number

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

static long number(const char *name, long fallback) {
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : fallback;
}

static bool is_on_disk(int descriptor) {
  const char *prefix = getenv("FAILING_DISK_PATH");
  if (!prefix) return false;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return false;
  path[length] = 0;
  return strncmp(path, prefix, strlen(prefix)) == 0;
}

// Whether this call fails; errno is set then.
static bool fails(int descriptor) {
  int before = errno;
  if (!is_on_disk(descriptor)) {
    errno = before;
    return false;
  }
  long call = atomic_fetch_add(&calls, 1);
  long after = number("FAILING_DISK_AFTER", 0);
  long count = number("FAILING_DISK_COUNT", -1);
  bool fails = call >= after && (count < 0 || call < after + count);
  errno = fails ? (int)number("FAILING_DISK_ERRNO", EIO) : before;
  return fails;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int descriptor, const void *bytes, size_t count) {
  return fails(descriptor) ? -1 : NEXT(write)(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  return fails(descriptor) ? -1 : NEXT(pwrite)(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  return fails(descriptor) ? -1 : NEXT(pwrite64)(descriptor, bytes, count, offset);
}

int fsync(int descriptor) { return fails(descriptor) ? -1 : NEXT(fsync)(descriptor); }

int fdatasync(int descriptor) { return fails(descriptor) ? -1 : NEXT(fdatasync)(descriptor); }

int ftruncate(int descriptor, off_t length) {
  return fails(descriptor) ? -1 : NEXT(ftruncate)(descriptor, length);
}

int ftruncate64(int descriptor, off64_t length) {
  return fails(descriptor) ? -1 : NEXT(ftruncate64)(descriptor, length);
}
