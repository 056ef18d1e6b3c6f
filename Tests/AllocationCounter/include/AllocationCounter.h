// Counts the calls of malloc and its siblings that a thread makes between arm and disarm.
//
// Linked into a test executable, these definitions take the place of the C library's for the whole process and
// forward to them; memory is freed by the C library as ever. The count is the calling thread's own.
#pragma once

void allocation_counter_arm(void);
// Returns the number of allocations since arm.
long allocation_counter_disarm(void);
