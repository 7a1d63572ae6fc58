#ifndef MOMENTUM_PROCESS_H
#define MOMENTUM_PROCESS_H

// What the command needs where Swift cannot run: before the libraries of the process are initialised, and in a handler of a
// signal.

// The variable that says how many threads OpenBLAS starts.
#define MOMENTUM_THREADS_VARIABLE "OPENBLAS_NUM_THREADS"

// Whether the command has asked OpenBLAS for one thread, because its caller has said nothing.
int momentum_asked_for_one_thread(void);

// From now on, reading a part of a mapped file that is no longer there ends the process with a message that names the file, and
// with this status, instead of a bus error.
void momentum_report_shrunk_files(int status);

#endif
