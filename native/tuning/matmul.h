#pragma once

#include <string>
#include <vector>

// Matrix products of our own: a part of the build, on x86-64, by compilers that contract a * b + c, on which
// ggml's code relies for the same bits. Microsoft's does not.
#if defined(GPT4ALL_TUNING) && defined(__x86_64__) && defined(__GNUC__)
#define GPT4ALL_MATMUL
// What functions for processors with AVX2 are compiled with.
#define GPT4ALL_AVX2 __attribute__((target("avx2,fma,f16c")))
#endif

namespace gpt4all {

#ifdef GPT4ALL_MATMUL

// From now on the products of matmul.cc are computed there, where the CPU has AVX2.
void InstallMatmul();

// The kernels that can compute them on this CPU, the fastest last: "ggml", "avx2", "vnni".
std::vector<std::string> Kernels();

// Chooses one of them, from the next step of any context on; the last is chosen at first. Not while contexts
// compute. Returns false for another name.
bool UseKernels(const std::string& name);

// Whether kernels with AVX-512 and its dot products are to compute.
bool UsesVnni();

#else

inline void InstallMatmul() {
}

inline std::vector<std::string> Kernels() {
  return {"ggml"};
}

inline bool UseKernels(const std::string& name) {
  return name == "ggml";
}

#endif

}  // namespace gpt4all
