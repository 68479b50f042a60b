// How much of its stack a thread may still use.
#pragma once

#include <cstddef>

namespace gpt4all {

// Half of what is left of this thread's stack: the rest is for the functions that the counted ones call. Main
// threads have 8 MiB, workers of Node.js 4 MiB, threads of our own from 128 KiB (musl) to 8 MiB.
size_t StackToUse();

}  // namespace gpt4all
