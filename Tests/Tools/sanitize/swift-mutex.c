// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// Tells ThreadSanitizer of the contended half of Swift's Mutex.
//
// The uncontended half is inlined into our code, where ThreadSanitizer sees its atomic operations.
// The contended half is in libswiftSynchronization, which is not instrumented: who gets the lock
// there seems to race with whoever had it before. This library is preloaded, stands before those
// functions, and says what they do. It hides nothing: only what holds the lock is ordered.
//
// The names are those of Swift's ABI (SE-0433); `self`, the lock, comes in the context register.

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *lock

// Absent in programs that are not instrumented, such as the shell that starts one.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

typedef SWIFT void lock_function(uint32_t, SELF);
typedef SWIFT bool try_function(SELF);
typedef SWIFT void unlock_function(SELF);

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t, SELF) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF) __asm__(TRY);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t thread, SELF) {
  ((lock_function *)dlsym(RTLD_NEXT, LOCK))(thread, lock);
  if (__tsan_acquire) __tsan_acquire(lock);
}

SWIFT bool try_lock_slow(SELF) {
  bool taken = ((try_function *)dlsym(RTLD_NEXT, TRY))(lock);
  if (taken && __tsan_acquire) __tsan_acquire(lock);
  return taken;
}

SWIFT void unlock_slow(SELF) {
  if (__tsan_release) __tsan_release(lock);
  ((unlock_function *)dlsym(RTLD_NEXT, UNLOCK))(lock);
}
