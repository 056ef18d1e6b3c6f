#pragma once

// What a program needs to start others that end when it ends, to place its threads, and to give memory back, and Swift
// cannot call: fork, functions with a variable number of arguments, and GNU's own. Linux only.

// Starts a program in a process group of its own, with nothing on its standard input, its standard error going to
// `errors`, and the usual answers to signals. When the calling thread ends, however it dies, the program gets
// `death_signal`.
//
// Returns its process number, or -1 with errno set. A program that cannot be executed ends with exit code 127.
int lockstep_spawn(const char *path, char *const arguments[], char *const environment[], int errors, int death_signal);

// Has what the processes below this one leave behind become its children, instead of the system's first process's.
int lockstep_adopt_orphans(void);

// Blocks some signals in the calling thread (and those it will start), and returns a descriptor from which they are read
// instead, or -1 with errno set.
int lockstep_signal_descriptor(const int *signals, int count);

// The next signal that came, or 0 if there is none.
int lockstep_next_signal(int descriptor);

// Lets the calling thread run on every processor that this process may use, whatever it inherited.
void lockstep_run_anywhere(void);

// Keeps large pieces that come and go out of the heap. oneDNN asks for some at every product, aligned, which malloc puts
// behind each other a dozen times before it takes any a second time (glibc 2.36).
void lockstep_keep_heap_small(void);

// Gives freed memory back to the system that malloc keeps for later.
void lockstep_give_memory_back(void);
