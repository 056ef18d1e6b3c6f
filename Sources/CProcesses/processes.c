#define _GNU_SOURCE
#include "processes.h"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

// Of a child between fork and exec: only what is safe in the copy of a process with several threads.
static void become(
    const char *path, char *const arguments[], char *const environment[], int errors, int death_signal, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, death_signal);
  // The parent may have died before that.
  if (getppid() != parent) _exit(127);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(errors, 2) < 0) _exit(127);
  if (nothing > 2) close(nothing);
  execve(path, arguments, environment);
  _exit(127);
}

int lockstep_spawn(const char *path, char *const arguments[], char *const environment[], int errors, int death_signal) {
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) become(path, arguments, environment, errors, death_signal, parent);
  return child;
}

int lockstep_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1); }

int lockstep_signal_descriptor(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int lockstep_next_signal(int descriptor) {
  struct signalfd_siginfo info;
  ssize_t count = read(descriptor, &info, sizeof info);
  return count == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

void lockstep_run_anywhere(void) {
  cpu_set_t everywhere;
  memset(&everywhere, 0xFF, sizeof everywhere);
  // The system leaves out what the process's control group may not use.
  sched_setaffinity(0, sizeof everywhere, &everywhere);
}

void lockstep_keep_heap_small(void) {
#ifdef __GLIBC__
  // Smaller pieces come too often to be asked of the system each time.
  mallopt(M_MMAP_THRESHOLD, 5 << 19);
  // What is free at the heap's end stays: the other threshold would have it come and go at every step.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

void lockstep_give_memory_back(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
