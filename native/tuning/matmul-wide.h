#pragma once

// Products of weights with many columns in whole numbers of 13 bits, for contexts that embed.
#include "matmul.h"

#ifdef GPT4ALL_MATMUL
#include <cstddef>
#include <cstdint>

namespace gpt4all {

constexpr int64_t kWideBlock = 128;  // numbers that share a scale
constexpr int64_t kWideRows = 32;    // rows that are computed at once

// Whole numbers reach from -kWideMost to kWideMost: a sum of kWideBlock products of two fits into 32 bits.
constexpr int kWideMost = 4095;

// Turns the kWideBlock numbers at `from` into whole numbers, and returns what one of them stands for.
float QuantizeWide(const float* from, int16_t* to);

// The same for kWideRows rows, which lie in `rows` one after the other, as WideSums() reads them: pairs of
// each row, then the next pairs.
void PackWide(const int16_t* rows, int16_t* to);

// The columns of one tile, `stride` numbers apart, and where their results go, `result_stride` floats apart.
struct WideTile {
  const int16_t* columns;
  size_t stride;
  const float* scales;
  size_t scale_stride;
  float* result;
  size_t result_stride;
};

struct WideKernel {
  int64_t most_columns;
  // Adds packed blocks of rows times as many of the tile's columns, 1 to `most_columns`, to the results, or
  // sets them.
  void (*multiply)(const int16_t* rows, const float* row_scales, const WideTile& tile, int64_t count,
                   int64_t blocks, bool sets);
};

extern const WideKernel kWideAvx2, kWideVnni;

}  // namespace gpt4all
#endif
