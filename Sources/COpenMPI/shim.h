// Open MPI's C interface for Swift. Its constants are casting macros, which Swift cannot import:
// each one that is used here has an inline function. Only MessagePassing imports this.
#pragma once
#include <mpi.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline MPI_Comm lockstep_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm lockstep_mpi_comm_null(void) { return MPI_COMM_NULL; }
static inline int lockstep_mpi_comm_type_shared(void) { return MPI_COMM_TYPE_SHARED; }


static inline MPI_Datatype lockstep_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype lockstep_mpi_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype lockstep_mpi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype lockstep_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype lockstep_mpi_double(void) { return MPI_DOUBLE; }

static inline MPI_Op lockstep_mpi_sum(void) { return MPI_SUM; }
static inline MPI_Op lockstep_mpi_minimum(void) { return MPI_MIN; }
static inline MPI_Op lockstep_mpi_maximum(void) { return MPI_MAX; }

static inline void *lockstep_mpi_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Info lockstep_mpi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Request lockstep_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *lockstep_mpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *lockstep_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Errhandler lockstep_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }

static inline int lockstep_mpi_any_source(void) { return MPI_ANY_SOURCE; }
static inline int lockstep_mpi_any_tag(void) { return MPI_ANY_TAG; }
static inline int lockstep_mpi_mode_nocheck(void) { return MPI_MODE_NOCHECK; }

static inline int lockstep_mpi_thread_funneled(void) { return MPI_THREAD_FUNNELED; }
static inline int lockstep_mpi_max_error_string(void) { return MPI_MAX_ERROR_STRING; }
static inline int lockstep_mpi_max_library_version(void) { return MPI_MAX_LIBRARY_VERSION_STRING; }

// Tells the processor that this is a loop that waits.
static inline void lockstep_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// A file in memory, without a name: memfd_create(2), which Swift does not see. It goes with the last process that has it.
static inline int lockstep_memory_file(void) { return (int)syscall(SYS_memfd_create, "lockstep", 1u); }
