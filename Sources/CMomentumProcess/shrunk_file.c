#include "momentum_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

// Everything below runs in the handler of a signal: it calls nothing but system calls, and allocates nothing.

static struct sigaction previous;
static int exit_status;
// Set by the first thread that reports; what it writes is in static memory.
static atomic_flag is_reported = ATOMIC_FLAG_INIT;

// The longest path that the system takes, four times over: /proc/self/maps writes a newline as four characters.
enum { PATH_CAPACITY = 4 * 4096 };

// Text that is written in one piece, so that no other thread's gets between.
struct text {
  char bytes[PATH_CAPACITY * 4];
  size_t count;
};

static void append_byte(struct text *text, char byte) {
  if (text->count < sizeof text->bytes) text->bytes[text->count++] = byte;
}

static void append(struct text *text, const char *string) {
  while (*string != '\0') append_byte(text, *string++);
}

// A path, with all bytes but printable ASCII as octal numbers, so that nothing in it acts on a terminal.
static void append_path(struct text *text, const char *path) {
  for (; *path != '\0'; path++) {
    unsigned char byte = (unsigned char)*path;
    if (byte >= ' ' && byte <= '~') {
      append_byte(text, *path);
    } else {
      append_byte(text, '\\');
      append_byte(text, (char)('0' + (byte >> 6)));
      append_byte(text, (char)('0' + (byte >> 3 & 7)));
      append_byte(text, (char)('0' + (byte & 7)));
    }
  }
}

// Reads a hexadecimal number and moves the cursor behind it.
static uintptr_t hexadecimal(const char **cursor) {
  uintptr_t value = 0;
  for (;; ++*cursor) {
    char digit = **cursor;
    if (digit >= '0' && digit <= '9') {
      value = value << 4 | (uintptr_t)(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      value = value << 4 | (uintptr_t)(digit - 'a' + 10);
    } else {
      return value;
    }
  }
}

// The path in a line of /proc/self/maps, `begin-end permissions offset device inode path`, if the address is of that file.
static const char *mapped_path(const char *line, uintptr_t address) {
  const char *cursor = line;
  uintptr_t begin = hexadecimal(&cursor);
  if (*cursor++ != '-') return NULL;
  uintptr_t end = hexadecimal(&cursor);
  if (address < begin || address >= end) return NULL;
  // Nothing before the path has a slash in it.
  return strchr(cursor, '/');
}

// Finds the file that is mapped at an address; an empty path where the system does not say, or if there is none.
static void find_mapped_file(uintptr_t address, char *path, size_t capacity) {
  path[0] = '\0';
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return;
  char block[1024];
  char line[PATH_CAPACITY + 128];
  size_t length = 0;
  bool found = false;
  ssize_t count;
  while (!found && (count = read(maps, block, sizeof block)) > 0) {
    for (ssize_t index = 0; index < count && !found; index++) {
      if (block[index] != '\n') {
        if (length < sizeof line - 1) line[length++] = block[index];
        continue;
      }
      line[length] = '\0';
      length = 0;
      const char *name = mapped_path(line, address);
      if (name == NULL || strlen(name) >= capacity) continue;
      strcpy(path, name);
      found = true;
    }
  }
  close(maps);
}

static void report(int number, siginfo_t *information, void *context) {
  (void)context;
  static struct text message;
  char path[PATH_CAPACITY];
  path[0] = '\0';
  if (information->si_code == BUS_ADRERR) find_mapped_file((uintptr_t)information->si_addr, path, sizeof path);
#if defined(__linux__)
  bool is_file = path[0] != '\0';
#else
  bool is_file = information->si_code == BUS_ADRERR;
#endif
  if (!is_file) {
    // Another kind of fault: the instruction is tried again, and this time takes its usual course.
    sigaction(number, &previous, NULL);
    return;
  }
  while (atomic_flag_test_and_set(&is_reported)) pause();
  append(&message, "Error: ");
  append_path(&message, path[0] != '\0' ? path : "a file");
  append(&message, ": was cut short by another program, or could not be read, while it was in use\n");
  size_t done = 0;
  while (done < message.count) {
    ssize_t count = write(STDERR_FILENO, message.bytes + done, message.count - done);
    if (count < 0 && errno != EINTR) break;
    if (count > 0) done += (size_t)count;
  }
  _exit(exit_status);
}

void momentum_report_shrunk_files(int status) {
  exit_status = status;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = report;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}
