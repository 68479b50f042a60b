// Keys and values as halves, for contexts that embed: rows that lie apart are turned into one piece, eight
// numbers at once, where ggml turns them one by one.
#include "wide-products.h"

#ifdef GPT4ALL_MATMUL
#include "ggml-cpu.h"
#include "ggml-cpu/ggml-cpu-impl.h"
#include "ggml-cpu/traits.h"

namespace gpt4all {

namespace {

class WideCast final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor*, size_t&) override { return false; }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    if (params->use_ref || !ComputesWide(params->threadpool)) return false;
    const ggml_tensor& from = *operation->src[0];
    const int64_t rows = ggml_nrows(&from), first = rows * params->ith / params->nth;
    for (int64_t row = first; row < rows * (params->ith + 1) / params->nth; row++) {
      const int64_t i1 = row % from.ne[1], i2 = row / from.ne[1] % from.ne[2],
                    i3 = row / from.ne[1] / from.ne[2];
      const char* const numbers =
          static_cast<const char*>(from.data) + i1 * static_cast<int64_t>(from.nb[1]) +
          i2 * static_cast<int64_t>(from.nb[2]) + i3 * static_cast<int64_t>(from.nb[3]);
      ggml_cpu_fp32_to_fp16(reinterpret_cast<const float*>(numbers),
                            static_cast<ggml_fp16_t*>(operation->data) + row * from.ne[0], from.ne[0]);
    }
    return true;
  }
};

}  // namespace

ggml::cpu::tensor_traits* WideCastTraits(const ggml_tensor& operation) {
  static WideCast traits;
  if (operation.op != GGML_OP_CPY && operation.op != GGML_OP_DUP) return nullptr;
  const ggml_tensor& from = *operation.src[0];
  const bool casts = from.type == GGML_TYPE_F32 && operation.type == GGML_TYPE_F16 &&
                     from.nb[0] == sizeof(float) && ggml_is_contiguous(&operation) &&
                     ggml_are_same_shape(&from, &operation);
  return casts ? &traits : nullptr;
}

}  // namespace gpt4all
#endif
