// Open MPI's C interface for Swift. Its constants are casting macros, which Swift cannot import:
// each one that is used here has an inline function.
#pragma once
#include <mpi.h>

static inline MPI_Comm lockstep_mpi_comm_world(void) { return MPI_COMM_WORLD; }
