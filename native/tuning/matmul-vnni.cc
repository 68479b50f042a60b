#include "avx512.h"
#include "matmul-kernels.h"

#ifdef GPT4ALL_MATMUL
#include <algorithm>
#include <cstring>

namespace gpt4all {

namespace {

constexpr int64_t kPairs = kTile / 2;  // of columns: what is computed side by side

// The same 64 bits eight times.
GPT4ALL_INLINE __m512i Broadcast(const void* from) {
  int64_t both;
  std::memcpy(&both, from, sizeof both);
  return _mm512_set1_epi64(both);
}

// Eight interleaved rows of a block of 32 values: of each row the first eight, the next, and so on.
struct Unpacked {
  __m512i eights[4];
};

GPT4ALL_INLINE Unpacked Unpack(const EightRows& rows) {
  const __m512i mask = _mm512_set1_epi8(0xF);
  Unpacked unpacked;
  for (int i = 0; i < 2; i++) {
    const __m512i from_zero =
        _mm512_xor_si512(_mm512_loadu_si512(rows.values[i]), _mm512_set1_epi8(static_cast<char>(0x88)));
    unpacked.eights[i] = _mm512_and_si512(from_zero, mask);
    unpacked.eights[i + 2] = _mm512_and_si512(_mm512_srli_epi16(from_zero, 4), mask);
  }
  return unpacked;
}

// Two sums for each of the rows.
GPT4ALL_INLINE __m512i Dots(const Unpacked& rows, const int8_t* column) {
  __m512i sums = _mm512_setzero_si512();
  for (int i = 0; i < 4; i++) sums = _mm512_dpbusd_epi32(sums, rows.eights[i], Broadcast(column + 8 * i));
  return sums;
}

// The scale of each row, twice.
GPT4ALL_INLINE __m512 ScalesOf(const EightRows& rows) {
  const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.scales)));
  const __m512i order = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return _mm512_permutexvar_ps(order, _mm512_castps256_ps512(scales));
}

// Of two columns: one in the even lanes, the other in the odd.
GPT4ALL_INLINE __m512i AddPairs(__m512i even, __m512i odd) {
  const __m512i crossed = _mm512_setr_epi32(1, 16, 3, 18, 5, 20, 7, 22, 9, 24, 11, 26, 13, 28, 15, 30);
  return _mm512_add_epi32(_mm512_mask_blend_epi32(0xAAAA, even, odd),
                          _mm512_permutex2var_epi32(even, crossed, odd));
}

// Eight rows times the first columns of a tile, of which there are twice kCount, or one less.
template <int kCount>
GPT4ALL_VNNI void MultiplyEight(const Product& product, int64_t row, int64_t tile) {
  const auto* const weights = RowOf<EightRows>(product, row);
  const auto* const columns = static_cast<const TileBlock*>(product.columns) + tile * product.blocks;
  __m512 products[kCount];
  for (__m512& one : products) one = _mm512_setzero_ps();
  for (int64_t i = 0; i < product.blocks; i++) {
    const char* const ahead = reinterpret_cast<const char*>(weights + i) + kAhead;
    for (size_t line = 0; line < sizeof(EightRows); line += 64) _mm_prefetch(ahead + line, _MM_HINT_T0);
    const Unpacked rows = Unpack(weights[i]);
    const __m512 own = ScalesOf(weights[i]);
    const TileBlock& column = columns[i];
    for (int pair = 0; pair < kCount; pair++) {
      const int j = 2 * pair;
      const __m512i sums = AddPairs(Dots(rows, column.values[j]), Dots(rows, column.values[j + 1]));
      const __m512 dots = _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, Broadcast(column.excess + j)));
      const __m512 its = _mm512_castsi512_ps(Broadcast(column.scales + j));
      products[pair] = _mm512_fmadd_ps(dots, _mm512_mul_ps(own, its), products[pair]);
    }
  }
  const __m512i apart = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  for (int64_t pair = 0; pair < kCount; pair++) {
    const int64_t column = tile * kTile + 2 * pair;
    const __m512 both = _mm512_permutexvar_ps(apart, products[pair]);
    float* const result = product.result + column * product.result_stride + row;
    _mm256_storeu_ps(result, _mm512_castps512_ps256(both));
    if (column + 1 == product.count) break;
    const __m512i other = _mm512_shuffle_i32x4(_mm512_castps_si512(both), _mm512_castps_si512(both), 0xEE);
    _mm256_storeu_ps(result + product.result_stride, _mm512_castps512_ps256(_mm512_castsi512_ps(other)));
  }
}

constexpr decltype(&MultiplyEight<1>) kMultiplyEight[kPairs] = {MultiplyEight<1>, MultiplyEight<2>,
                                                                MultiplyEight<3>, MultiplyEight<4>};

}  // namespace

void MultiplyTilesQ40x8Vnni(const Product& product, int64_t from, int64_t to) {
  for (int64_t tile = 0; tile * kTile < product.count; tile++) {
    const int64_t pairs = (std::min(kTile, product.count - tile * kTile) + 1) / 2;
    for (int64_t row = from; row < to; row += 8) kMultiplyEight[pairs - 1](product, row, tile);
  }
}

}  // namespace gpt4all
#endif
