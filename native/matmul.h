#pragma once

#include <string>
#include <vector>

namespace gpt4all {

// From now on the products of matmul.cc are computed there, where the CPU has AVX2.
void InstallMatmul();

// Who can compute them on this CPU, the fastest last: "ggml", "avx2", "vnni".
std::vector<std::string> Kernels();

// Who does, from the next step of any context on: one of those, the last at first. Not while contexts
// compute. False for another name.
bool UseKernels(const std::string& name);

}  // namespace gpt4all
