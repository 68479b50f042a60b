#pragma once

// For functions on processors with AVX-512 and its dot products.
#include "matmul.h"

#ifdef GPT4ALL_MATMUL
#ifndef __clang__
// GCC 12 takes what its own header leaves undefined on purpose for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#define GPT4ALL_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni,f16c")))
#define GPT4ALL_INLINE inline __attribute__((always_inline)) GPT4ALL_VNNI
#endif
