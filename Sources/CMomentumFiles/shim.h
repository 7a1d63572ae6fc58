#ifndef MOMENTUM_FILES_SHIM_H
#define MOMENTUM_FILES_SHIM_H

// What the systems have and Swift's own modules for Linux leave out: the extended attributes of files, and the call that has
// a part of a file written to the disk without waiting for it.
#include <sys/types.h>
#include <sys/xattr.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...);

// A hint: a system that does not know the call does nothing.
static inline void momentum_start_writeback(int descriptor, long long offset, long long count) {
#ifdef SYS_sync_file_range
  const unsigned write = 2;  // SYNC_FILE_RANGE_WRITE
  (void)syscall(SYS_sync_file_range, descriptor, offset, count, write);
#endif
}
#endif

#endif
