// Products of quantized weights with columns of activations, where ggml's own leave something on the table:
//
// - Q4_1 times several columns (prompts, streams side by side): ggml multiplies column by column, and unpacks
// each
//   weight anew for each. Here a block is unpacked once for eight columns.
// - Q4_1 and Q8_0 times one column (a stream alone) wait for memory. Here four rows are read at once, and
// what
//   comes next is asked for ahead of time, across pages, where hardware stops.
//
// Each product sums in the order of ggml's own dot product, so results are the same bit for bit; weights stay
// where they are mapped. ggml asks the entries of a list of "extra buffer types" whether they compute an
// operation. One that holds no buffers is put on that list.
#include "matmul.h"

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

constexpr int64_t kTile = 8;        // columns
constexpr int64_t kMostRows = 256;  // that a thread takes at once
constexpr size_t kAhead = 4096;     // bytes
constexpr size_t kCacheLine = 64;

// The same block of several columns, as ggml quantizes them (block_q8_1).
template <int64_t kColumns>
struct Blocks {
  int8_t values[kColumns][QK8_1];
  float scales[kColumns];
  float sums[kColumns];
};

// What all threads share of one product: rows of weights times columns of activations.
struct Product {
  const char* weights;
  size_t weight_stride;
  void* columns;  // Blocks, [tile][block]
  float* result;
  size_t result_stride;  // floats
  int64_t rows, count, blocks;

  template <typename Block>
  const Block* Row(int64_t row) const {
    return reinterpret_cast<const Block*>(weights + row * weight_stride);
  }
  template <int64_t kColumns>
  Blocks<kColumns>* Tile(int64_t tile) const {
    return static_cast<Blocks<kColumns>*>(columns) + tile * blocks;
  }
};

// In the order of hsum_float_8 of ggml.
GPT4ALL_AVX2 float Sum(__m256 lanes) {
  __m128 sum = _mm_add_ps(_mm256_extractf128_ps(lanes, 1), _mm256_castps256_ps128(lanes));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

GPT4ALL_AVX2 __m256i Load(const int8_t* values) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
}

GPT4ALL_AVX2 __m256i Unpack(const block_q4_1& block) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.qs));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
  return _mm256_and_si256(_mm256_set1_epi8(0xF), both);
}

// Eight sums of four products each, of unsigned weights.
GPT4ALL_AVX2 __m256 Multiply(__m256i weights, __m256i values) {
  const __m256i pairs = _mm256_maddubs_epi16(weights, values);
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_set1_epi16(1), pairs));
}

GPT4ALL_AVX2 __m256 Multiply(const block_q4_1& block, __m256i values) {
  return Multiply(Unpack(block), values);
}

GPT4ALL_AVX2 __m256 Multiply(const block_q8_0& block, __m256i values) {
  const __m256i weights = Load(block.qs);
  return Multiply(_mm256_sign_epi8(weights, weights), _mm256_sign_epi8(values, weights));
}

// A block's scale and minimum, side by side.
int32_t Scales(const block_q4_1& block) {
  int32_t both;
  std::memcpy(&both, &block, sizeof both);
  return both;
}

// The same with no minimum.
int32_t Scales(const block_q8_0& block) {
  return block.d;
}

// kRows rows of weights, from `row` on, times one column.
template <typename Block, int kRows>
GPT4ALL_AVX2 void MultiplyColumn(const Product& product, int64_t row) {
  const Block* rows[kRows];
  __m256 products[kRows];
  for (int r = 0; r < kRows; r++) {
    rows[r] = product.Row<Block>(row + r);
    products[r] = _mm256_setzero_ps();
  }
  const char* ahead = reinterpret_cast<const char*>(rows[0]) + kAhead;
  __m256 minima = _mm256_setzero_ps();  // in the odd lanes
  const Blocks<1>* const column = product.Tile<1>(0);
  for (int64_t i = 0; i < product.blocks; i++) {
    for (size_t line = 0; line < kRows * sizeof(Block); line += kCacheLine)
      _mm_prefetch(ahead + line, _MM_HINT_T0);
    ahead += kRows * sizeof(Block);
    int32_t halves[4] = {};
    for (int r = 0; r < kRows; r++) halves[r] = Scales(rows[r][i]);
    const __m256 own = _mm256_cvtph_ps(_mm_setr_epi32(halves[0], halves[1], halves[2], halves[3]));
    double pair;  // scale and sum of the column's block
    std::memcpy(&pair, column[i].scales, sizeof pair);
    const __m256 its = _mm256_castpd_ps(_mm256_set1_pd(pair));
    const __m256 scales = _mm256_mul_ps(own, its);  // in the even lanes
    minima = _mm256_fmadd_ps(own, its, minima);
    const __m256i values = Load(column[i].values[0]);
    for (int r = 0; r < kRows; r++) {
      const __m256 scale = _mm256_permutevar8x32_ps(scales, _mm256_set1_epi32(2 * r));
      products[r] = _mm256_fmadd_ps(scale, Multiply(rows[r][i], values), products[r]);
    }
  }
  float rest[8];
  _mm256_storeu_ps(rest, minima);
  for (int r = 0; r < kRows; r++) product.result[row + r] = Sum(products[r]) + rest[2 * r + 1];
}

template <typename Block>
void MultiplyColumn(const Product& product, int64_t from, int64_t to) {
  for (; from + 4 <= to; from += 4) MultiplyColumn<Block, 4>(product, from);
  for (; from < to; from++) MultiplyColumn<Block, 1>(product, from);
}

// One row of weights times the first kCount columns of a tile.
template <int kCount>
GPT4ALL_AVX2 void MultiplyRow(const Product& product, int64_t row, int64_t tile) {
  const block_q4_1* const weights = product.Row<block_q4_1>(row);
  const Blocks<kTile>* const columns = product.Tile<kTile>(tile);
  __m256 products[kCount];
  for (__m256& one : products) one = _mm256_setzero_ps();
  __m256 minima = _mm256_setzero_ps();
  for (int64_t i = 0; i < product.blocks; i++) {
    const __m256i unpacked = Unpack(weights[i]);
    const __m128 own = _mm_cvtph_ps(_mm_cvtsi32_si128(Scales(weights[i])));
    const __m256 scale = _mm256_broadcastss_ps(own);
    const __m256 minimum = _mm256_broadcastss_ps(_mm_movehdup_ps(own));
    minima = _mm256_fmadd_ps(minimum, _mm256_loadu_ps(columns[i].sums), minima);
    for (int j = 0; j < kCount; j++) {
      const __m256 scales = _mm256_mul_ps(scale, _mm256_set1_ps(columns[i].scales[j]));
      products[j] = _mm256_fmadd_ps(scales, Multiply(unpacked, Load(columns[i].values[j])), products[j]);
    }
  }
  float rest[kTile];
  _mm256_storeu_ps(rest, minima);
  float* const results = product.result + tile * kTile * product.result_stride + row;
  for (int j = 0; j < kCount; j++) results[j * product.result_stride] = Sum(products[j]) + rest[j];
}

constexpr decltype(&MultiplyRow<1>) kMultiplyRow[kTile] = {MultiplyRow<1>, MultiplyRow<2>, MultiplyRow<3>,
                                                           MultiplyRow<4>, MultiplyRow<5>, MultiplyRow<6>,
                                                           MultiplyRow<7>, MultiplyRow<8>};

void MultiplyTiles(const Product& product, int64_t from, int64_t to) {
  for (int64_t tile = 0; tile * kTile < product.count; tile++) {
    const auto multiply = kMultiplyRow[std::min(kTile, product.count - tile * kTile) - 1];
    for (int64_t row = from; row < to; row++) multiply(product, row, tile);
  }
}

// Quantizes this thread's share of the columns' blocks; as block_q8_0 they are the same, without sums.
template <int64_t kColumns>
void FillColumns(const Product& product, const ggml_tensor& activations, int64_t thread, int64_t threads) {
  const ggml_from_float_t quantize = ggml_get_type_traits_cpu(GGML_TYPE_Q8_1)->from_float;
  const int64_t all = product.count * product.blocks;
  for (int64_t i = all * thread / threads; i < all * (thread + 1) / threads; i++) {
    const int64_t column = i / product.blocks, block = i % product.blocks;
    const char* const values = static_cast<const char*>(activations.data) + column * activations.nb[1];
    block_q8_1 quantized;
    quantize(reinterpret_cast<const float*>(values) + block * QK8_1, &quantized, QK8_1);
    Blocks<kColumns>& to = product.Tile<kColumns>(column / kColumns)[block];
    std::memcpy(to.values[column % kColumns], quantized.qs, sizeof quantized.qs);
    to.scales[column % kColumns] = ggml_fp16_to_fp32(quantized.data.data.d);
    to.sums[column % kColumns] = ggml_fp16_to_fp32(quantized.data.data.s);
  }
}

// Repacked weights, and those of other devices, are not read as they are.
bool IsPlain(const ggml_tensor& weights) {
  return weights.buffer != nullptr && ggml_backend_buffer_is_host(weights.buffer) &&
         ggml_is_matrix(&weights) && weights.nb[0] == ggml_type_size(weights.type);
}

bool IsProduct(const ggml_tensor& operation) {
  if (operation.op != GGML_OP_MUL_MAT) return false;
  const ggml_tensor &weights = *operation.src[0], &activations = *operation.src[1];
  const bool pays =
      weights.type == GGML_TYPE_Q4_1 || (weights.type == GGML_TYPE_Q8_0 && activations.ne[1] == 1);
  return pays && IsPlain(weights) && activations.type == GGML_TYPE_F32 && ggml_is_matrix(&activations) &&
         activations.nb[0] == sizeof(float) && operation.nb[1] % sizeof(float) == 0;
}

class Matmul final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor* operation, size_t& size) override {
    const int64_t blocks = operation->src[1]->ne[0] / QK8_1, count = operation->src[1]->ne[1];
    size = count == 1 ? blocks * sizeof(Blocks<1>)
                      : (count + kTile - 1) / kTile * blocks * sizeof(Blocks<kTile>);
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    if (params->use_ref) return false;
    const ggml_tensor &weights = *operation->src[0], &activations = *operation->src[1];
    const Product product{static_cast<const char*>(weights.data),
                          weights.nb[1],
                          params->wdata,
                          static_cast<float*>(operation->data),
                          operation->nb[1] / sizeof(float),
                          weights.ne[1],
                          activations.ne[1],
                          weights.ne[0] / QK8_1};
    const bool is_one = product.count == 1;
    const auto fill = is_one ? FillColumns<1> : FillColumns<kTile>;
    const auto column =
        weights.type == GGML_TYPE_Q8_0 ? MultiplyColumn<block_q8_0> : MultiplyColumn<block_q4_1>;
    const auto multiply = is_one ? column : MultiplyTiles;
    fill(product, activations, params->ith, params->nth);
    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    // Several chunks for each thread: one that is held up leaves the rest to others.
    const int64_t rows = std::clamp(product.rows / (4 * params->nth) / 4 * 4, int64_t{4}, kMostRows);
    for (int64_t chunk = params->ith; chunk * rows < product.rows;
         chunk = ggml_threadpool_chunk_add(params->threadpool, 1)) {
      multiply(product, chunk * rows, std::min(product.rows, (chunk + 1) * rows));
    }
    return true;
  }
};

// Looks at operations, and holds nothing.
class Kernels final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor*) override { return false; }

  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* operation) override {
    return IsProduct(*operation) ? &matmul_ : nullptr;
  }

 private:
  Matmul matmul_;
};

}  // namespace

void InstallMatmul() {
  // As ggml was built: its own dot product is another one otherwise.
  if (!ggml_cpu_has_avx2() || !ggml_cpu_has_fma() || !ggml_cpu_has_f16c()) return;
  // llama.cpp's list of buffers for weights is a copy, made when it is first asked for: now, so that it stays
  // without.
  const ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const auto list = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  if (list == nullptr) return;
  list(cpu);
  static Kernels kernels;
  static ggml_backend_buffer_type type{{}, cpu, &kernels};
  ggml_backend_cpu_get_extra_buffer_types().push_back(&type);
}

}  // namespace gpt4all
#else
void gpt4all::InstallMatmul() {
}
#endif
