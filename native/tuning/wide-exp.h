#pragma once

// Powers of two of eight numbers at once.
#include <immintrin.h>

#include "matmul.h"

namespace gpt4all {

// 2^x for x from -126 to 126, with an error of less than 3e-7: the whole part becomes the exponent, the rest
// goes through Taylor's series.
GPT4ALL_AVX2 inline __m256 Exp2(__m256 x) {
  const __m256 whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 rest = _mm256_sub_ps(x, whole);
  __m256 sum = _mm256_set1_ps(1.5403530e-4f);
  for (const float coefficient :
       {1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f})
    sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(coefficient));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), exponent));
}

}  // namespace gpt4all
