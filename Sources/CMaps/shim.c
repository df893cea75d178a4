// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// pipe2
#define _GNU_SOURCE

#include "CMaps.h"

#include <cdb.h>
#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// libdb answers with an errno or with negative codes of its own.
static int db_result(int code) { return code >= 0 ? code : BMS_MAP_DAMAGED; }

// libdb would print its complaints to standard error.
static void ignore_db_error(const DB_ENV *env, const char *prefix, const char *message) {
  (void)env;
  (void)prefix;
  (void)message;
}

static int read_hash(const char *path, bms_map_taker take, void *context) {
  DB *db = NULL;
  DBC *cursor = NULL;
  int result = db_create(&db, NULL, 0);
  if (result != 0) return db_result(result);
  db->set_errcall(db, ignore_db_error);
  result = db->open(db, NULL, path, NULL, DB_HASH, DB_RDONLY, 0);
  // libdb says EINVAL for a file that is not its own.
  if (result == EINVAL) result = BMS_MAP_DAMAGED;
  if (result == 0) result = db->cursor(db, NULL, &cursor, 0);
  while (result == 0) {
    DBT key, value;
    memset(&key, 0, sizeof key);
    memset(&value, 0, sizeof value);
    result = cursor->c_get(cursor, &key, &value, DB_NEXT);
    if (result == 0 && take(context, key.data, key.size, value.data, value.size) != 0) {
      cursor->c_close(cursor);
      db->close(db, 0);
      return BMS_MAP_STOPPED;
    }
  }
  if (cursor != NULL) cursor->c_close(cursor);
  db->close(db, 0);
  return result == DB_NOTFOUND ? 0 : db_result(result);
}

static int read_cdb(const char *path, bms_map_taker take, void *context) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  struct cdb cdb;
  if (cdb_init(&cdb, descriptor) != 0) {
    int code = errno;
    close(descriptor);
    return code == EPROTO || code == 0 ? BMS_MAP_DAMAGED : code;
  }
  unsigned position = 0;
  int result;
  cdb_seqinit(&position, &cdb);
  while ((result = cdb_seqnext(&position, &cdb)) > 0) {
    const void *key = cdb_getkey(&cdb);
    const void *value = cdb_getdata(&cdb);
    if (key == NULL || value == NULL) {
      result = -1;
      break;
    }
    if (take(context, key, cdb_keylen(&cdb), value, cdb_datalen(&cdb)) != 0) {
      result = BMS_MAP_STOPPED - 1;
      break;
    }
  }
  cdb_free(&cdb);
  close(descriptor);
  if (result == BMS_MAP_STOPPED - 1) return BMS_MAP_STOPPED;
  return result < 0 ? BMS_MAP_DAMAGED : 0;
}

// Whether the file has all pages that its header speaks of: a missing one is a signal, not an error.
static int has_all_pages(MDB_env *env) {
  MDB_envinfo info;
  MDB_stat pages;
  struct stat status;
  int descriptor;
  if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &pages) != 0 ||
      mdb_env_get_fd(env, &descriptor) != 0 || fstat(descriptor, &status) != 0)
    return 0;
  return (uint64_t)status.st_size / pages.ms_psize > info.me_last_pgno;
}

static int lmdb_result(int code) { return code > 0 ? code : BMS_MAP_DAMAGED; }

static int read_lmdb(const char *path, bms_map_taker take, void *context) {
  MDB_env *env = NULL;
  MDB_txn *transaction = NULL;
  MDB_cursor *cursor = NULL;
  MDB_dbi table;
  int result = mdb_env_create(&env);
  if (result != 0) return lmdb_result(result);
  // Without a lock file, which the daemon may not be allowed to write: a reader of a table that
  // postmap rewrites meanwhile is told by the caller, who looks at the file's times.
  result = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
  if (result == 0 && !has_all_pages(env)) result = MDB_CORRUPTED;
  if (result == 0) result = mdb_txn_begin(env, NULL, MDB_RDONLY, &transaction);
  if (result == 0) result = mdb_dbi_open(transaction, NULL, 0, &table);
  if (result == 0) result = mdb_cursor_open(transaction, table, &cursor);
  while (result == 0) {
    MDB_val key, value;
    result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    if (result == 0 && take(context, key.mv_data, key.mv_size, value.mv_data, value.mv_size) != 0)
      result = BMS_MAP_STOPPED;
  }
  if (cursor != NULL) mdb_cursor_close(cursor);
  if (transaction != NULL) mdb_txn_abort(transaction);
  mdb_env_close(env);
  if (result == MDB_NOTFOUND) return 0;
  return result == BMS_MAP_STOPPED ? result : lmdb_result(result);
}

// What the child writes: the lengths of key and value and their bytes for each entry, and at the end
// the result of the reading.
struct frame {
  uint32_t key_length;
  uint32_t value_length;
};
enum { END_OF_ENTRIES = UINT32_MAX };

// The child's buffer of what it writes.
struct output {
  int descriptor;
  size_t count;
  uint8_t bytes[1 << 16];
};

static int write_all(int descriptor, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return -1;
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

static int put(struct output *output, const void *bytes, size_t count) {
  if (output->count + count > sizeof output->bytes) {
    if (write_all(output->descriptor, output->bytes, output->count) != 0) return -1;
    output->count = 0;
  }
  if (count > sizeof output->bytes) return write_all(output->descriptor, bytes, count);
  memcpy(output->bytes + output->count, bytes, count);
  output->count += count;
  return 0;
}

static int hand_over(
  void *context, const uint8_t *key, size_t key_length, const uint8_t *value, size_t value_length) {
  if (key_length > BMS_MAP_ENTRY || value_length > BMS_MAP_ENTRY - key_length) return -1;
  struct frame frame = {(uint32_t)key_length, (uint32_t)value_length};
  return put(context, &frame, sizeof frame) != 0 || put(context, key, key_length) != 0 ||
                 put(context, value, value_length) != 0
           ? -1
           : 0;
}

// Never returns. Only what is allowed after fork in a process with threads: glibc makes malloc so.
static void child(enum bms_map_kind kind, const char *path, int descriptor, int milliseconds) {
  // A crash here is expected, and nobody's business.
  const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGPIPE};
  for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  // Nothing of the parent's may outlive it in here: no socket, no lock.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (descriptor > 3) close_range(3, (unsigned)descriptor - 1, 0);
  close_range((unsigned)descriptor + 1, ~0U, 0);
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // Should the parent die first.
  alarm((unsigned)(milliseconds / 1000 + 2));
  static struct output output;
  output.descriptor = descriptor;
  int result = kind == BMS_MAP_HASH  ? read_hash(path, hand_over, &output)
               : kind == BMS_MAP_CDB ? read_cdb(path, hand_over, &output)
                                     : read_lmdb(path, hand_over, &output);
  if (result == BMS_MAP_STOPPED) result = BMS_MAP_DAMAGED;
  struct frame frame = {END_OF_ENTRIES, (uint32_t)result};
  put(&output, &frame, sizeof frame);
  _exit(write_all(descriptor, output.bytes, output.count) == 0 ? 0 : 1);
}

static int64_t now_in_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Reads exactly `count` bytes; an errno, or BMS_MAP_DAMAGED when the child ended before.
static int read_all(int descriptor, uint8_t *bytes, size_t count, int64_t end) {
  while (count > 0) {
    int64_t left = end - now_in_milliseconds();
    if (left <= 0) return ETIMEDOUT;
    struct pollfd entry = {descriptor, POLLIN, 0};
    int ready = poll(&entry, 1, left > 1000 ? 1000 : (int)left);
    if (ready < 0 && errno != EINTR) return errno;
    if (ready <= 0) continue;
    ssize_t got = read(descriptor, bytes, count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return BMS_MAP_DAMAGED;
    bytes += got;
    count -= (size_t)got;
  }
  return 0;
}

static int take_all(int descriptor, int64_t end, uint8_t *bytes, bms_map_taker take, void *context) {
  for (;;) {
    struct frame frame;
    int result = read_all(descriptor, (uint8_t *)&frame, sizeof frame, end);
    if (result != 0) return result;
    if (frame.key_length == END_OF_ENTRIES) return (int)frame.value_length;
    if (frame.key_length > BMS_MAP_ENTRY || frame.value_length > BMS_MAP_ENTRY - frame.key_length)
      return BMS_MAP_DAMAGED;
    result = read_all(descriptor, bytes, frame.key_length + frame.value_length, end);
    if (result != 0) return result;
    if (take(context, bytes, frame.key_length, bytes + frame.key_length, frame.value_length) != 0)
      return BMS_MAP_STOPPED;
  }
}

int bms_map_read(
  enum bms_map_kind kind, const char *path, int milliseconds, bms_map_taker take, void *context) {
  int ends[2];
  int64_t end = now_in_milliseconds() + milliseconds;
  uint8_t *bytes = malloc(BMS_MAP_ENTRY);
  if (bytes == NULL) return ENOMEM;
  if (pipe2(ends, O_CLOEXEC) != 0) {
    int code = errno;
    free(bytes);
    return code;
  }
  pid_t pid = fork();
  if (pid == 0) child(kind, path, ends[1], milliseconds);
  int result = errno;
  close(ends[1]);
  if (pid > 0) {
    result = take_all(ends[0], end, bytes, take, context);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  close(ends[0]);
  free(bytes);
  return result;
}
