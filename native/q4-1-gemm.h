#pragma once

namespace gpt4all {

// From now on products of Q4_1 matrices with several columns are computed here, where the CPU has AVX2.
void InstallQ41Gemm();

}  // namespace gpt4all
