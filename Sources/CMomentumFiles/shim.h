#ifndef MOMENTUM_FILES_SHIM_H
#define MOMENTUM_FILES_SHIM_H

// What the systems have and Swift's own modules for Linux leave out: the extended attributes of files.
#include <sys/types.h>
#include <sys/xattr.h>

#endif
