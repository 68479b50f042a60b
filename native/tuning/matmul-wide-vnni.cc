// The arithmetic of matmul-wide.h on processors with AVX-512 and its dot products: `vpdpwssd` multiplies and
// adds pairs of numbers of 16 bits of sixteen rows at once.
#include "avx512.h"
#include "matmul-wide.h"

#ifdef GPT4ALL_MATMUL
#include <cstring>
#include <iterator>

namespace gpt4all {

namespace {

constexpr int64_t kHalf = kWideRows / 2;  // rows in a register
constexpr int64_t kPairs = kWideBlock / 2;

// A pair of a column, for each of the sixteen rows.
GPT4ALL_INLINE __m512i PairOf(const int16_t* at) {
  int32_t both;
  std::memcpy(&both, at, sizeof both);
  return _mm512_set1_epi32(both);
}

// Adds the products of pairs. Compilers copy the sums from register to register around the intrinsic: hence
// the assembly.
GPT4ALL_INLINE void AddProducts(__m512i& sums, __m512i pairs, __m512i others) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(pairs), "v"(others));
}

template <int kColumns>
GPT4ALL_VNNI void MultiplyColumns(const int16_t* rows, const float* row_scales, const WideTile& tile,
                                  int64_t blocks, bool sets) {
  const int16_t* columns[kColumns];
  for (int i = 0; i < kColumns; i++) columns[i] = tile.columns + static_cast<size_t>(i) * tile.stride;
  __m512 low[kColumns], high[kColumns];
  for (int i = 0; i < kColumns; i++) low[i] = high[i] = _mm512_setzero_ps();
  for (int64_t block = 0; block < blocks; block++) {
    __m512i low_sums[kColumns], high_sums[kColumns];
    for (int i = 0; i < kColumns; i++) low_sums[i] = high_sums[i] = _mm512_setzero_si512();
    for (int64_t pair = 0; pair < kPairs; pair++, rows += 2 * kWideRows) {
      const __m512i first = _mm512_load_si512(rows), second = _mm512_load_si512(rows + 2 * kHalf);
      for (int i = 0; i < kColumns; i++) {
        const __m512i other = PairOf(columns[i] + 2 * pair);
        AddProducts(low_sums[i], first, other);
        AddProducts(high_sums[i], second, other);
      }
    }
    const __m512 low_scales = _mm512_loadu_ps(row_scales), high_scales = _mm512_loadu_ps(row_scales + kHalf);
    row_scales += kWideRows;
    for (int i = 0; i < kColumns; i++) {
      columns[i] += kWideBlock;
      const __m512 scale = _mm512_set1_ps(
          tile.scales[static_cast<size_t>(i) * tile.scale_stride + static_cast<size_t>(block)]);
      low[i] = _mm512_fmadd_ps(_mm512_mul_ps(scale, low_scales), _mm512_cvtepi32_ps(low_sums[i]), low[i]);
      high[i] = _mm512_fmadd_ps(_mm512_mul_ps(scale, high_scales), _mm512_cvtepi32_ps(high_sums[i]), high[i]);
    }
  }
  for (int i = 0; i < kColumns; i++) {
    float* const to = tile.result + static_cast<size_t>(i) * tile.result_stride;
    _mm512_storeu_ps(to, sets ? low[i] : _mm512_add_ps(low[i], _mm512_loadu_ps(to)));
    _mm512_storeu_ps(to + kHalf, sets ? high[i] : _mm512_add_ps(high[i], _mm512_loadu_ps(to + kHalf)));
  }
}

using Columns = decltype(&MultiplyColumns<1>);

constexpr Columns kByCount[] = {
    MultiplyColumns<1>, MultiplyColumns<2>, MultiplyColumns<3>, MultiplyColumns<4>,
    MultiplyColumns<5>, MultiplyColumns<6>, MultiplyColumns<7>, MultiplyColumns<8>,
};

void Multiply(const int16_t* rows, const float* row_scales, const WideTile& tile, int64_t count,
              int64_t blocks, bool sets) {
  kByCount[count - 1](rows, row_scales, tile, blocks, sets);
}

}  // namespace

const WideKernel kWideVnni{std::size(kByCount), Multiply};

}  // namespace gpt4all
#endif
