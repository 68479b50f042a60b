#pragma once

// What matmul.cc computes with: any rows of one product, by one thread.
#include "matmul.h"

#ifdef GPT4ALL_MATMUL
#include <cstddef>
#include <cstdint>

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"

namespace gpt4all {

constexpr int64_t kTile = 8;     // columns
constexpr size_t kAhead = 4096;  // bytes that are prefetched

// A block of one column, as ggml quantizes it (block_q8_1).
struct ColumnBlock {
  int8_t values[QK8_1];
  float scale;
  float sum;  // of the values, times the scale; 0 where weights have no minimum
  // Eight times the sum of the values: what a product with nibbles of 0 to 15 exceeds one of -8 to 7 by.
  int32_t excess;
};

// The same block of several columns.
struct TileBlock {
  int8_t values[kTile][QK8_1];
  float scales[kTile];
  float sums[kTile];
  int32_t excess[kTile];
};

// Eight rows as ggml interleaves them (block_q4_0x8 of its repack.h): eight bytes of each row, then the next
// eight. Nibbles are signed.
struct EightRows {
  uint16_t scales[8];
  uint8_t values[2][8][8];
};

// What all threads share of one product: rows of weights times columns of activations.
struct Product {
  const char* weights;
  size_t weight_stride;
  void* columns;  // ColumnBlock where `count` is 1, otherwise TileBlock[tile][block]
  float* result;
  size_t result_stride;  // floats
  int64_t rows, count, blocks;
};

template <typename Block>
const Block* RowOf(const Product& product, int64_t row) {
  return reinterpret_cast<const Block*>(product.weights + row * product.weight_stride);
}

// From row `from` to the one before `to`.
using Multiply = void (*)(const Product& product, int64_t from, int64_t to);

// Several columns.
void MultiplyTilesQ41(const Product& product, int64_t from, int64_t to);

// One column.
void MultiplyColumnQ41(const Product& product, int64_t from, int64_t to);
void MultiplyColumnQ80(const Product& product, int64_t from, int64_t to);

// The same for weights that ggml has repacked by eight rows; `from` and `to` are multiples of eight.
void MultiplyTilesQ40x8(const Product& product, int64_t from, int64_t to);
void MultiplyColumnQ40x8(const Product& product, int64_t from, int64_t to);

// The same for processors with AVX-512 and its dot products.
void MultiplyTilesQ40x8Vnni(const Product& product, int64_t from, int64_t to);

}  // namespace gpt4all
#endif
