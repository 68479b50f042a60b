// GELU as models without gates apply it, for contexts that embed. ggml looks each number up in a table of
// halves; here eight at once are computed, and rounded as the table is.
#include "wide-products.h"

#ifdef GPT4ALL_MATMUL
#include <immintrin.h>

#include <cmath>

#include "ggml-cpu/ggml-cpu-impl.h"
#include "ggml-cpu/traits.h"
#include "wide-exp.h"

namespace gpt4all {

namespace {

// x / (1 + e^-2z), which is x / 2 * (1 + tanh z).
GPT4ALL_AVX2 inline __m256 Gelu(__m256 given) {
  const __m256 x = _mm256_cvtph_ps(_mm256_cvtps_ph(given, _MM_FROUND_TO_NEAREST_INT));
  constexpr float kTwoLog2 = -2 * 0.79788456f * 1.44269504f;  // sqrt(2 / pi), and e as a power of 2
  const __m256 cube = _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f), _mm256_set1_ps(1));
  const __m256 power = _mm256_mul_ps(_mm256_mul_ps(x, cube), _mm256_set1_ps(kTwoLog2));
  const __m256 most = _mm256_set1_ps(126);
  const __m256 within = _mm256_max_ps(_mm256_min_ps(most, power), _mm256_sub_ps(_mm256_setzero_ps(), most));
  const __m256 exact = _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1), Exp2(within)));
  const __m256 rounded = _mm256_cvtph_ps(_mm256_cvtps_ph(exact, _MM_FROUND_TO_NEAREST_INT));
  // Beyond 10 the table is not asked.
  const __m256 ten = _mm256_set1_ps(10);
  const __m256 upper = _mm256_blendv_ps(rounded, given, _mm256_cmp_ps(given, ten, _CMP_GE_OQ));
  const __m256 low = _mm256_cmp_ps(given, _mm256_sub_ps(_mm256_setzero_ps(), ten), _CMP_LE_OQ);
  return _mm256_andnot_ps(low, upper);
}

GPT4ALL_AVX2 void GeluOf(const float* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(to + i, Gelu(_mm256_loadu_ps(from + i)));
  for (; i < count; i++) {
    alignas(32) float values[8] = {from[i]};
    _mm256_store_ps(values, Gelu(_mm256_load_ps(values)));
    to[i] = values[0];
  }
}

class WideGelu final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor*, size_t&) override { return false; }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    if (params->use_ref || !ComputesWide(params->threadpool)) return false;
    const ggml_tensor& from = *operation->src[0];
    const int64_t rows = ggml_nrows(&from);
    for (int64_t row = rows * params->ith / params->nth; row < rows * (params->ith + 1) / params->nth;
         row++) {
      GeluOf(static_cast<const float*>(from.data) + row * from.ne[0],
             static_cast<float*>(operation->data) + row * from.ne[0], from.ne[0]);
    }
    return true;
  }
};

}  // namespace

ggml::cpu::tensor_traits* WideGeluTraits(const ggml_tensor& operation) {
  static WideGelu traits;
  const bool is_gelu = operation.op == GGML_OP_UNARY && ggml_get_unary_op(&operation) == GGML_UNARY_OP_GELU;
  if (!is_gelu || operation.type != GGML_TYPE_F32 || operation.src[0]->type != GGML_TYPE_F32) return nullptr;
  return ggml_is_contiguous(&operation) && ggml_is_contiguous(operation.src[0]) ? &traits : nullptr;
}

}  // namespace gpt4all
#endif
