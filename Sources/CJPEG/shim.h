#pragma once
// jpeglib.h uses FILE and size_t without saying where they come from.
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>
