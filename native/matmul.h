#pragma once

namespace gpt4all {

// From now on the products of matmul.cc are computed there, where the CPU has AVX2.
void InstallMatmul();

}  // namespace gpt4all
