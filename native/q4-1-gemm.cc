// Products of Q4_1 weights with several columns at once: prompts, and streams side by side. ggml has such kernels
// for other types (repacked weights, llamafile's); a Q4_1 matrix it multiplies column by column, and unpacks each
// weight anew for each. Here a block is unpacked once for eight columns. Each product sums in the order of ggml's
// own dot product, so results are the same bit for bit; weights stay where they are mapped.
//
// ggml asks the entries of a list of "extra buffer types" whether they compute an operation. One that holds no
// buffers is put on that list.
#include "q4-1-gemm.h"

#include "ggml-cpu.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"
#include "ggml-cpu/traits.h"

#if defined(__GNUC__)
#define GPT4ALL_AVX2 __attribute__((target("avx2,fma,f16c")))
#else
#define GPT4ALL_AVX2
#endif

namespace gpt4all {

namespace {

constexpr int64_t kColumns = 8;
constexpr int64_t kChunkRows = 16;

// The same block of kColumns columns, as ggml quantizes them (block_q8_1).
struct ColumnBlocks {
  int8_t values[kColumns][QK8_1];
  float scales[kColumns];
  float sums[kColumns];
};

// What all threads share of one product: rows of weights times columns of activations.
struct Product {
  const char* weights;
  size_t weight_stride;
  ColumnBlocks* columns;  // [tile of kColumns columns][block]
  char* result;
  size_t result_stride;
  int64_t rows, count, blocks;
};

GPT4ALL_AVX2 float ToFloat(uint16_t half) { return _cvtsh_ss(half); }

// In the order of hsum_float_8 of ggml.
GPT4ALL_AVX2 float Sum(__m256 lanes) {
  __m128 sum = _mm_add_ps(_mm256_extractf128_ps(lanes, 1), _mm256_castps256_ps128(lanes));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

// One row of weights times the first `kCount` columns of a tile: ggml_vec_dot_q4_1_q8_1 for each.
template <int kCount>
GPT4ALL_AVX2 void MultiplyRow(const block_q4_1* row, const ColumnBlocks* tile, int64_t blocks, float* results,
                              size_t stride) {
  __m256 products[kCount];
  for (__m256& one : products) one = _mm256_setzero_ps();
  __m256 minima = _mm256_setzero_ps();
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i low = _mm256_set1_epi8(0xF);
  for (int64_t i = 0; i < blocks; i++) {
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row[i].qs));
    const __m256i weights =
        _mm256_and_si256(low, _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1));
    const __m256 scale = _mm256_set1_ps(ToFloat(row[i].data.data.d));
    const __m256 minimum = _mm256_set1_ps(ToFloat(row[i].data.data.m));
    minima = _mm256_fmadd_ps(minimum, _mm256_loadu_ps(tile[i].sums), minima);
    for (int j = 0; j < kCount; j++) {
      const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile[i].values[j]));
      const __m256i sums = _mm256_madd_epi16(ones, _mm256_maddubs_epi16(weights, values));
      const __m256 scales = _mm256_mul_ps(scale, _mm256_set1_ps(tile[i].scales[j]));
      products[j] = _mm256_fmadd_ps(scales, _mm256_cvtepi32_ps(sums), products[j]);
    }
  }
  float rest[kColumns];
  _mm256_storeu_ps(rest, minima);
  for (int j = 0; j < kCount; j++) results[j * stride] = Sum(products[j]) + rest[j];
}

using RowFunction = decltype(&MultiplyRow<1>);
constexpr RowFunction kMultiplyRow[] = {MultiplyRow<1>, MultiplyRow<2>, MultiplyRow<3>, MultiplyRow<4>,
                                        MultiplyRow<5>, MultiplyRow<6>, MultiplyRow<7>, MultiplyRow<8>};

void MultiplyRows(const Product& product, int64_t from, int64_t to) {
  for (int64_t column = 0; column < product.count; column += kColumns) {
    const int64_t count = std::min(kColumns, product.count - column);
    const ColumnBlocks* tile = product.columns + column / kColumns * product.blocks;
    char* const results = product.result + column * product.result_stride;
    for (int64_t row = from; row < to; row++) {
      kMultiplyRow[count - 1](
          reinterpret_cast<const block_q4_1*>(product.weights + row * product.weight_stride), tile,
          product.blocks, reinterpret_cast<float*>(results) + row, product.result_stride / sizeof(float));
    }
  }
}

// Quantizes this thread's share of the columns' blocks.
void FillColumns(const Product& product, const ggml_tensor& activations, int64_t thread, int64_t threads) {
  const ggml_from_float_t quantize = ggml_get_type_traits_cpu(GGML_TYPE_Q8_1)->from_float;
  const int64_t all = product.count * product.blocks;
  for (int64_t i = all * thread / threads; i < all * (thread + 1) / threads; i++) {
    const int64_t column = i / product.blocks, block = i % product.blocks;
    const char* const values = static_cast<const char*>(activations.data) + column * activations.nb[1];
    block_q8_1 quantized;
    quantize(reinterpret_cast<const float*>(values) + block * QK8_1, &quantized, QK8_1);
    ColumnBlocks& to = product.columns[column / kColumns * product.blocks + block];
    std::memcpy(to.values[column % kColumns], quantized.qs, sizeof quantized.qs);
    to.scales[column % kColumns] = ggml_fp16_to_fp32(quantized.data.data.d);
    to.sums[column % kColumns] = ggml_fp16_to_fp32(quantized.data.data.s);
  }
}

bool IsProduct(const ggml_tensor& operation) {
  const ggml_tensor *const weights = operation.src[0], *const activations = operation.src[1];
  return operation.op == GGML_OP_MUL_MAT && weights->type == GGML_TYPE_Q4_1 &&
         activations->type == GGML_TYPE_F32 && activations->ne[1] > 1 && ggml_is_matrix(weights) &&
         ggml_is_matrix(activations) && activations->nb[0] == sizeof(float) &&
         weights->nb[0] == sizeof(block_q4_1) && operation.nb[1] % sizeof(float) == 0;
}

class Gemm final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor* operation, size_t& size) override {
    const ggml_tensor& activations = *operation->src[1];
    const int64_t tiles = (activations.ne[1] + kColumns - 1) / kColumns;
    size = tiles * (activations.ne[0] / QK8_1) * sizeof(ColumnBlocks) + alignof(ColumnBlocks);
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    if (params->use_ref) return false;
    const ggml_tensor &weights = *operation->src[0], &activations = *operation->src[1];
    const Product product{static_cast<const char*>(weights.data),
                          weights.nb[1],
                          static_cast<ColumnBlocks*>(params->wdata),
                          static_cast<char*>(operation->data),
                          operation->nb[1],
                          weights.ne[1],
                          activations.ne[1],
                          weights.ne[0] / QK4_1};
    FillColumns(product, activations, params->ith, params->nth);
    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    for (int64_t chunk = params->ith; chunk * kChunkRows < product.rows;
         chunk = ggml_threadpool_chunk_add(params->threadpool, 1)) {
      MultiplyRows(product, chunk * kChunkRows, std::min(product.rows, (chunk + 1) * kChunkRows));
    }
    return true;
  }
};

// Looks at operations, and holds nothing.
class Kernels final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor*) override { return false; }

  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* operation) override {
    return IsProduct(*operation) ? &gemm_ : nullptr;
  }

 private:
  Gemm gemm_;
};

}  // namespace

void InstallQ41Gemm() {
  // As ggml was built: its own dot product is another one otherwise.
  if (!ggml_cpu_has_avx2() || !ggml_cpu_has_fma() || !ggml_cpu_has_f16c()) return;
  // llama.cpp's list of buffers for weights is a copy, made when it is first asked for: now, so that it stays without.
  const ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const auto list = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  if (list == nullptr) return;
  list(cpu);
  static Kernels kernels;
  static ggml_backend_buffer_type type{{}, cpu, &kernels};
  ggml_backend_cpu_get_extra_buffer_types().push_back(&type);
}

}  // namespace gpt4all
#else
void gpt4all::InstallQ41Gemm() {}
#endif
