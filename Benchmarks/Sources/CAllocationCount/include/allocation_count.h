#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

// How often this process has asked for memory (malloc, calloc, realloc and the aligned ones), on all threads.
unsigned long allocation_count(void);

#endif
