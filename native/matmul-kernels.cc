#include "matmul-kernels.h"

#ifdef GPT4ALL_MATMUL
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define GPT4ALL_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace gpt4all {

namespace {

constexpr size_t kAhead = 4096;  // bytes
constexpr size_t kCacheLine = 64;

// Eight rows as ggml interleaves them (block_q4_0x8 of its repack.h): eight bytes of each row, then the next
// eight. Nibbles are signed.
struct EightRows {
  uint16_t scales[8];
  uint8_t values[2][8][8];
};

template <typename Block>
const Block* Row(const Product& product, int64_t row) {
  return reinterpret_cast<const Block*>(product.weights + row * product.weight_stride);
}

// In the order of hsum_float_8 of ggml.
GPT4ALL_AVX2 float Sum(__m256 lanes) {
  __m128 sum = _mm_add_ps(_mm256_extractf128_ps(lanes, 1), _mm256_castps256_ps128(lanes));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

GPT4ALL_AVX2 __m256i Load(const void* values) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(values));
}

GPT4ALL_AVX2 __m256i Unpack(const block_q4_1& block) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.qs));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
  return _mm256_and_si256(_mm256_set1_epi8(0xF), both);
}

// Eight sums of four products each, of unsigned weights.
GPT4ALL_AVX2 __m256 Dots(__m256i weights, __m256i values) {
  const __m256i pairs = _mm256_maddubs_epi16(weights, values);
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_set1_epi16(1), pairs));
}

GPT4ALL_AVX2 __m256 Dots(const block_q4_1& block, __m256i values) {
  return Dots(Unpack(block), values);
}

GPT4ALL_AVX2 __m256 Dots(const block_q8_0& block, __m256i values) {
  const __m256i weights = Load(block.qs);
  return Dots(_mm256_sign_epi8(weights, weights), _mm256_sign_epi8(values, weights));
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

// Asks for the cache lines of `bytes` bytes.
GPT4ALL_AVX2 void Prefetch(const char* from, size_t bytes) {
  for (size_t line = 0; line < bytes; line += kCacheLine) _mm_prefetch(from + line, _MM_HINT_T0);
}

// kRows rows of weights, from `row` on, times one column.
template <typename Block, int kRows>
GPT4ALL_AVX2 void MultiplyColumn(const Product& product, int64_t row) {
  const Block* rows[kRows];
  __m256 products[kRows];
  for (int r = 0; r < kRows; r++) {
    rows[r] = Row<Block>(product, row + r);
    products[r] = _mm256_setzero_ps();
  }
  const char* ahead = reinterpret_cast<const char*>(rows[0]) + kAhead;
  __m256 minima = _mm256_setzero_ps();  // in the odd lanes
  const auto* const column = static_cast<const ColumnBlock*>(product.columns);
  for (int64_t i = 0; i < product.blocks; i++) {
    Prefetch(ahead, kRows * sizeof(Block));
    ahead += kRows * sizeof(Block);
    int32_t halves[4] = {};
    for (int r = 0; r < kRows; r++) halves[r] = Scales(rows[r][i]);
    const __m256 own = _mm256_cvtph_ps(_mm_setr_epi32(halves[0], halves[1], halves[2], halves[3]));
    const __m256 its = _mm256_blend_ps(_mm256_set1_ps(column[i].scale), _mm256_set1_ps(column[i].sum), 0xAA);
    const __m256 scales = _mm256_mul_ps(own, its);  // in the even lanes
    minima = _mm256_fmadd_ps(own, its, minima);
    const __m256i values = Load(column[i].values);
    for (int r = 0; r < kRows; r++) {
      const __m256 scale = _mm256_permutevar8x32_ps(scales, _mm256_set1_epi32(2 * r));
      products[r] = _mm256_fmadd_ps(scale, Dots(rows[r][i], values), products[r]);
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
  const block_q4_1* const weights = Row<block_q4_1>(product, row);
  const auto* const columns = static_cast<const TileBlock*>(product.columns) + tile * product.blocks;
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
      products[j] = _mm256_fmadd_ps(scales, Dots(unpacked, Load(columns[i].values[j])), products[j]);
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

// Eight rows' sums of four values, twice: of `low` and `high` nibbles with these.
GPT4ALL_AVX2 __m256i DotsOfNibbles(const uint8_t (*rows)[8], __m256i low, __m256i high) {
  const __m256i mask = _mm256_set1_epi8(0xF);
  const __m256i weights = _mm256_xor_si256(Load(rows), _mm256_set1_epi8(static_cast<char>(0x88)));  // 0 to 15
  const __m256i first = _mm256_maddubs_epi16(_mm256_and_si256(weights, mask), low);
  const __m256i second = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(weights, 4), mask), high);
  return _mm256_add_epi16(first, second);
}

GPT4ALL_AVX2 __m256i Broadcast(const int8_t* eight) {
  int64_t values;
  std::memcpy(&values, eight, sizeof values);
  return _mm256_set1_epi64x(values);
}

// Eight interleaved rows times one column.
GPT4ALL_AVX2 void MultiplyEight(const Product& product, int64_t row) {
  const auto* const weights = Row<EightRows>(product, row);
  const auto* const column = static_cast<const ColumnBlock*>(product.columns);
  const __m256i ones = _mm256_set1_epi16(1);
  // The sums of rows 0 to 3 and 4 to 7, added in pairs, come in this order.
  const __m128i halves = _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15);
  const __m256i back = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
  __m256 products = _mm256_setzero_ps();
  for (int64_t i = 0; i < product.blocks; i++) {
    Prefetch(reinterpret_cast<const char*>(weights + i) + kAhead, sizeof(EightRows));
    __m256i sums[2];
    for (int half = 0; half < 2; half++) {
      const auto(*const first)[8] = weights[i].values[0] + 4 * half;
      const auto(*const second)[8] = weights[i].values[1] + 4 * half;
      const int8_t* const values = column[i].values;
      const __m256i dots =
          _mm256_add_epi16(DotsOfNibbles(first, Broadcast(values), Broadcast(values + 16)),
                           DotsOfNibbles(second, Broadcast(values + 8), Broadcast(values + 24)));
      sums[half] = _mm256_madd_epi16(ones, dots);
    }
    // What nibbles of 0 to 15 have more than those of -8 to 7.
    const __m256i more = _mm256_set1_epi32(8 * column[i].total);
    const __m256 whole = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_hadd_epi32(sums[0], sums[1]), more));
    const __m128i own = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights[i].scales));
    const __m256 scales =
        _mm256_mul_ps(_mm256_cvtph_ps(_mm_shuffle_epi8(own, halves)), _mm256_set1_ps(column[i].scale));
    products = _mm256_fmadd_ps(whole, scales, products);
  }
  _mm256_storeu_ps(product.result + row, _mm256_permutevar8x32_ps(products, back));
}

}  // namespace

void MultiplyTilesQ41(const Product& product, int64_t from, int64_t to) {
  for (int64_t tile = 0; tile * kTile < product.count; tile++) {
    const auto multiply = kMultiplyRow[std::min(kTile, product.count - tile * kTile) - 1];
    for (int64_t row = from; row < to; row++) multiply(product, row, tile);
  }
}

void MultiplyColumnQ41(const Product& product, int64_t from, int64_t to) {
  MultiplyColumn<block_q4_1>(product, from, to);
}

void MultiplyColumnQ80(const Product& product, int64_t from, int64_t to) {
  MultiplyColumn<block_q8_0>(product, from, to);
}

void MultiplyColumnQ40x8(const Product& product, int64_t from, int64_t to) {
  for (; from < to; from += 8) MultiplyEight(product, from);
}

}  // namespace gpt4all
#endif
