// The arithmetic of matmul-wide.h, on AVX2: `vpmaddwd` multiplies twice as many numbers of 16 bits as a
// multiply-add does floats, and 13 bits with a scale for every 128 numbers are finer than the half-precision
// floats with which ggml computes these products.
#include "matmul-wide.h"

#ifdef GPT4ALL_MATMUL
#include <immintrin.h>

#include <cmath>

namespace gpt4all {

namespace {

constexpr int64_t kEight = 8;  // rows in a register
constexpr int64_t kPass = 2 * kEight;
constexpr int64_t kPairs = kWideBlock / 2;

GPT4ALL_AVX2 inline float Most(__m256 values) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

// Rows of eight pairs become columns.
GPT4ALL_AVX2 inline void Transpose(__m256i (&rows)[8]) {
  __m256i twos[8], fours[8];
  for (int i = 0; i < 8; i += 2) {
    twos[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    twos[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm256_unpacklo_epi64(twos[i], twos[i + 2]);
    fours[i + 1] = _mm256_unpackhi_epi64(twos[i], twos[i + 2]);
    fours[i + 2] = _mm256_unpacklo_epi64(twos[i + 1], twos[i + 3]);
    fours[i + 3] = _mm256_unpackhi_epi64(twos[i + 1], twos[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
  }
}

// One pair of a column times that of all rows: of the first eight in ymm12, of the others in ymm13.
#define TIMES(offset, address, low, high)   \
  "vbroadcastss " offset address            \
  ", %%ymm14\n\t"                           \
  "vpmaddwd %%ymm12, %%ymm14, %%ymm15\n\t"  \
  "vpmaddwd %%ymm13, %%ymm14, %%ymm14\n\t"  \
  "vpaddd %%ymm15, %%ymm" low ", %%ymm" low \
  "\n\t"                                    \
  "vpaddd %%ymm14, %%ymm" high ", %%ymm" high "\n\t"

#define CLEAR(low, high)                        \
  "vpxor %%xmm" low ", %%xmm" low ", %%xmm" low \
  "\n\t"                                        \
  "vpxor %%xmm" high ", %%xmm" high ", %%xmm" high "\n\t"

#define STORE(low, high, at)  \
  "vmovdqa %%ymm" low ", " at \
  "(%[sums])\n\t"             \
  "vmovdqa %%ymm" high ", 32 + " at "(%[sums])\n\t"

#define WIDE_1(X) X("0", "1", "(%[a])", "0")
#define WIDE_2(X) WIDE_1(X) X("2", "3", "(%[a],%[stride])", "64")
#define WIDE_3(X) WIDE_2(X) X("4", "5", "(%[a],%[stride],2)", "128")
#define WIDE_4(X) WIDE_3(X) X("6", "7", "(%[d])", "192")
#define WIDE_5(X) WIDE_4(X) X("8", "9", "(%[d],%[stride])", "256")
#define WIDE_6(X) WIDE_5(X) X("10", "11", "(%[d],%[stride],2)", "320")

#define CLEAR_OF(low, high, address, at) CLEAR(low, high)
#define TIMES_OF(low, high, address, at) TIMES("", address, low, high)
#define TIMES_OF_NEXT(low, high, address, at) TIMES("4", address, low, high)
#define STORE_OF(low, high, address, at) STORE(low, high, at)

// Compilers keep too few of the twelve sums in registers: hence the assembly.
#define SUMS(columns) \
  __asm__ volatile(columns(CLEAR_OF)                                                                   \
                   ".p2align 5\n"                                                                      \
                   "1:\n\t"                                                                            \
                   "vmovdqa (%[rows]), %%ymm12\n\t"                                                    \
                   "vmovdqa 32(%[rows]), %%ymm13\n\t" columns(TIMES_OF)                                \
                   "vmovdqa 128(%[rows]), %%ymm12\n\t"                                                 \
                   "vmovdqa 160(%[rows]), %%ymm13\n\t" columns(TIMES_OF_NEXT)                          \
                   "add $256, %[rows]\n\t"                                                             \
                   "add $8, %[a]\n\t"                                                                  \
                   "add $8, %[d]\n\t"                                                                  \
                   "dec %[twice]\n\t"                                                                  \
                   "jnz 1b\n\t" columns(STORE_OF)                                                      \
                   : [rows] "+r"(rows), [a] "+r"(a), [d] "+r"(d), [twice] "+r"(twice)                  \
                   : [stride] "r"(stride * sizeof(int16_t)), [sums] "r"(sums)                          \
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",   \
                     "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory")

// The sums of a block of rows times that of `count` columns: sums[2 * column], of the first eight rows.
GPT4ALL_AVX2 void WideSums(const int16_t* rows, const int16_t* a, size_t stride, int64_t count,
                           __m256i (&sums)[12]) {
  const int16_t* d = a + 3 * stride;
  int64_t twice = kPairs / 2;
  switch (count) {
    case 1:
      SUMS(WIDE_1);
      break;
    case 2:
      SUMS(WIDE_2);
      break;
    case 3:
      SUMS(WIDE_3);
      break;
    case 4:
      SUMS(WIDE_4);
      break;
    case 5:
      SUMS(WIDE_5);
      break;
    default:
      SUMS(WIDE_6);
  }
}

// The first sixteen of kWideRows rows.
GPT4ALL_AVX2 void MultiplyPass(const int16_t* rows, const float* row_scales, const WideTile& tile,
                               int64_t count, int64_t blocks, bool sets) {
  __m256 totals[12];
  for (int64_t i = 0; i < 2 * count; i++) totals[i] = _mm256_setzero_ps();
  for (int64_t block = 0; block < blocks; block++) {
    __m256i sums[12];
    WideSums(rows + block * kWideRows * kWideBlock, tile.columns + block * kWideBlock, tile.stride, count,
             sums);
    const __m256 low = _mm256_loadu_ps(row_scales + block * kWideRows);
    const __m256 high = _mm256_loadu_ps(row_scales + block * kWideRows + kEight);
    for (int64_t column = 0; column < count; column++) {
      const float scale = tile.scales[column * static_cast<int64_t>(tile.scale_stride) + block];
      const __m256 scales = _mm256_set1_ps(scale);
      __m256 *const first = totals + 2 * column, *const second = first + 1;
      *first = _mm256_fmadd_ps(_mm256_mul_ps(scales, low), _mm256_cvtepi32_ps(sums[2 * column]), *first);
      *second =
          _mm256_fmadd_ps(_mm256_mul_ps(scales, high), _mm256_cvtepi32_ps(sums[2 * column + 1]), *second);
    }
  }
  for (int64_t column = 0; column < count; column++) {
    float* const result = tile.result + column * static_cast<int64_t>(tile.result_stride);
    for (int64_t half = 0; half < 2; half++) {
      const __m256 total = totals[2 * column + half];
      float* const to = result + half * kEight;
      _mm256_storeu_ps(to, sets ? total : _mm256_add_ps(total, _mm256_loadu_ps(to)));
    }
  }
}

void Multiply(const int16_t* rows, const float* row_scales, const WideTile& tile, int64_t count,
              int64_t blocks, bool sets) {
  for (int64_t first = 0; first < kWideRows; first += kPass) {
    WideTile of_pass = tile;
    of_pass.result += first;
    MultiplyPass(rows + 2 * first, row_scales + first, of_pass, count, blocks, sets);
  }
}

}  // namespace

const WideKernel kWideAvx2{6, Multiply};

GPT4ALL_AVX2 float QuantizeWide(const float* from, int16_t* to) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps(), wrong = _mm256_setzero_ps();
  for (int64_t i = 0; i < kWideBlock; i += 8) {
    const __m256 values = _mm256_loadu_ps(from + i);
    largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, values));
    wrong = _mm256_or_ps(wrong, _mm256_cmp_ps(values, values, _CMP_UNORD_Q));
  }
  // What is not a number makes all that is multiplied with it not a number.
  const float most = _mm256_testz_ps(wrong, wrong) ? Most(largest) : NAN;
  const float scale = most / kWideMost;
  // 0 as well for what is too small to be divided by.
  const __m256 inverse = _mm256_set1_ps(scale >= 1e-30f ? 1 / scale : 0);
  for (int64_t i = 0; i < kWideBlock; i += 16) {
    const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(inverse, _mm256_loadu_ps(from + i)));
    const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(inverse, _mm256_loadu_ps(from + i + 8)));
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), both);
  }
  return scale;
}

GPT4ALL_AVX2 void PackWide(const int16_t* rows, int16_t* to) {
  for (int64_t first = 0; first < kWideRows; first += kEight) {
    for (int64_t at = 0; at < kWideBlock; at += 16) {
      __m256i eight[8];
      for (int64_t row = 0; row < kEight; row++) {
        eight[row] =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + (first + row) * kWideBlock + at));
      }
      Transpose(eight);
      for (int64_t pair = 0; pair < 8; pair++) {
        int16_t* const target = to + (at / 2 + pair) * 2 * kWideRows + 2 * first;
        _mm256_store_si256(reinterpret_cast<__m256i*>(target), eight[pair]);
      }
    }
  }
}

}  // namespace gpt4all
#endif
