#ifndef MOMENTUM_FILES_SHIM_H
#define MOMENTUM_FILES_SHIM_H

// What the systems have and Swift's own modules for Linux leave out: the extended attributes of files, and a hint to begin to
// bring a part of a file to the disk.
#include <sys/types.h>
#include <sys/xattr.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static inline void momentum_start_writing(int descriptor, off_t start, off_t count) {
#if defined(SYS_sync_file_range)
  const unsigned int write = 2;  // SYNC_FILE_RANGE_WRITE
  (void)syscall(SYS_sync_file_range, descriptor, start, count, write);
#else
  (void)descriptor, (void)start, (void)count;
#endif
}

#endif
