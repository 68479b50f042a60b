#pragma once

namespace gpt4all {

// From now on the products of matmul.cc are computed there, where the CPU has AVX2.
void InstallMatmul();

// Whether they are, from the next step of any context on, or by ggml; tells what was before. Not while
// contexts compute.
bool UseMatmul(bool use);

}  // namespace gpt4all
