#include "matmul-kernels.h"

#ifdef GPT4ALL_MATMUL
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define GPT4ALL_INLINE inline __attribute__((always_inline)) GPT4ALL_AVX2

namespace gpt4all {

namespace {

constexpr size_t kCacheLine = 64;

// In the order of hsum_float_8 of ggml.
GPT4ALL_INLINE float Sum(__m256 lanes) {
  __m128 sum = _mm_add_ps(_mm256_extractf128_ps(lanes, 1), _mm256_castps256_ps128(lanes));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

GPT4ALL_INLINE __m256i Load(const void* values) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(values));
}

GPT4ALL_INLINE __m256i Unpack(const block_q4_1& block) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block.qs));
  const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
  return _mm256_and_si256(_mm256_set1_epi8(0xF), both);
}

// Eight sums of four products each, of unsigned weights.
GPT4ALL_INLINE __m256 Dots(__m256i weights, __m256i values) {
  const __m256i pairs = _mm256_maddubs_epi16(weights, values);
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_set1_epi16(1), pairs));
}

GPT4ALL_INLINE __m256 Dots(const block_q4_1& block, __m256i values) {
  return Dots(Unpack(block), values);
}

GPT4ALL_INLINE __m256 Dots(const block_q8_0& block, __m256i values) {
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
GPT4ALL_INLINE void Prefetch(const char* from, size_t bytes) {
  for (size_t line = 0; line < bytes; line += kCacheLine) _mm_prefetch(from + line, _MM_HINT_T0);
}

// kRows rows of weights, from `row` on, times one column.
template <typename Block, int kRows>
GPT4ALL_AVX2 void MultiplyColumn(const Product& product, int64_t row) {
  const Block* rows[kRows];
  __m256 products[kRows];
  for (int r = 0; r < kRows; r++) {
    rows[r] = RowOf<Block>(product, row + r);
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
  const block_q4_1* const weights = RowOf<block_q4_1>(product, row);
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

GPT4ALL_INLINE __m256i Broadcast(const int8_t* eight) {
  int64_t values;
  std::memcpy(&values, eight, sizeof values);
  return _mm256_set1_epi64x(values);
}

// Four of eight interleaved rows, of each eight of a block's 32 values after the other: nibbles of 0 to 15.
struct FourRows {
  __m256i eights[4];
};

GPT4ALL_INLINE FourRows UnpackFour(const EightRows& rows, int half) {
  const __m256i mask = _mm256_set1_epi8(0xF);
  FourRows unpacked;
  for (int i = 0; i < 2; i++) {
    const __m256i from_zero =
        _mm256_xor_si256(Load(rows.values[i] + 4 * half), _mm256_set1_epi8(static_cast<char>(0x88)));
    unpacked.eights[i] = _mm256_and_si256(from_zero, mask);
    unpacked.eights[i + 2] = _mm256_and_si256(_mm256_srli_epi16(from_zero, 4), mask);
  }
  return unpacked;
}

// Two sums for each of four rows.
GPT4ALL_INLINE __m256i Dots(const FourRows& rows, const __m256i (&values)[4]) {
  __m256i products[4];
  for (int i = 0; i < 4; i++) products[i] = _mm256_maddubs_epi16(rows.eights[i], values[i]);
  const __m256i sums = _mm256_add_epi16(_mm256_add_epi16(products[0], products[2]),
                                        _mm256_add_epi16(products[1], products[3]));
  return _mm256_madd_epi16(_mm256_set1_epi16(1), sums);
}

// The dot products of eight rows with a column of 32 values of which this is the excess.
GPT4ALL_INLINE __m256 Dots(const FourRows (&rows)[2], const int8_t* column, int32_t excess) {
  __m256i values[4];
  for (int i = 0; i < 4; i++) values[i] = Broadcast(column + 8 * i);
  const __m256i sums = _mm256_hadd_epi32(Dots(rows[0], values), Dots(rows[1], values));
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(sums, _mm256_set1_epi32(excess)));
}

// Of rows 0, 1, 4, 5, 2, 3, 6, 7: in the order in which hadd leaves their sums.
GPT4ALL_INLINE __m256 ScalesOf(const EightRows& rows) {
  const __m128i order = _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15);
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.scales));
  return _mm256_cvtph_ps(_mm_shuffle_epi8(halves, order));
}

GPT4ALL_INLINE void StoreEight(float* to, __m256 products) {
  const __m256i order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
  _mm256_storeu_ps(to, _mm256_permutevar8x32_ps(products, order));
}

// Eight interleaved rows times one column.
GPT4ALL_AVX2 void MultiplyEight(const Product& product, int64_t row) {
  const auto* const weights = RowOf<EightRows>(product, row);
  const auto* const column = static_cast<const ColumnBlock*>(product.columns);
  __m256 products = _mm256_setzero_ps();
  for (int64_t i = 0; i < product.blocks; i++) {
    Prefetch(reinterpret_cast<const char*>(weights + i) + kAhead, sizeof(EightRows));
    const FourRows rows[2] = {UnpackFour(weights[i], 0), UnpackFour(weights[i], 1)};
    const __m256 scales = _mm256_mul_ps(ScalesOf(weights[i]), _mm256_set1_ps(column[i].scale));
    products = _mm256_fmadd_ps(Dots(rows, column[i].values, column[i].excess), scales, products);
  }
  StoreEight(product.result + row, products);
}

// The same times kCount columns of a tile, from column `first` of it.
template <int kCount>
GPT4ALL_AVX2 void MultiplyEight(const Product& product, int64_t row, int64_t tile, int64_t first) {
  const auto* const weights = RowOf<EightRows>(product, row);
  const auto* const columns = static_cast<const TileBlock*>(product.columns) + tile * product.blocks;
  __m256 products[kCount];
  for (__m256& one : products) one = _mm256_setzero_ps();
  for (int64_t i = 0; i < product.blocks; i++) {
    if (first == 0) Prefetch(reinterpret_cast<const char*>(weights + i) + kAhead, sizeof(EightRows));
    const FourRows rows[2] = {UnpackFour(weights[i], 0), UnpackFour(weights[i], 1)};
    const __m256 own = ScalesOf(weights[i]);
    const TileBlock& column = columns[i];
    for (int j = 0; j < kCount; j++) {
      const __m256 scales = _mm256_mul_ps(own, _mm256_set1_ps(column.scales[first + j]));
      const __m256 dots = Dots(rows, column.values[first + j], column.excess[first + j]);
      products[j] = _mm256_fmadd_ps(dots, scales, products[j]);
    }
  }
  float* const results = product.result + (tile * kTile + first) * product.result_stride + row;
  for (int j = 0; j < kCount; j++) StoreEight(results + j * product.result_stride, products[j]);
}

constexpr int64_t kAtOnce = 4;  // columns: as many as registers hold beside the weights
constexpr void (*kMultiplyEight[kAtOnce])(const Product&, int64_t, int64_t, int64_t) = {
    MultiplyEight<1>, MultiplyEight<2>, MultiplyEight<3>, MultiplyEight<4>};

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

void MultiplyTilesQ40x8(const Product& product, int64_t from, int64_t to) {
  for (int64_t column = 0; column < product.count; column += kAtOnce) {
    const auto multiply = kMultiplyEight[std::min(kAtOnce, product.count - column) - 1];
    for (int64_t row = from; row < to; row += 8) multiply(product, row, column / kTile, column % kTile);
  }
}

void MultiplyColumnQ40x8(const Product& product, int64_t from, int64_t to) {
  for (; from < to; from += 8) MultiplyEight(product, from);
}

}  // namespace gpt4all
#endif
