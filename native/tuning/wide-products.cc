#include "wide-products.h"

#ifdef GPT4ALL_MATMUL
#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-cpu/ggml-cpu-impl.h"
#include "ggml-cpu/simd-mappings.h"
#include "ggml-cpu/traits.h"
#include "matmul-wide.h"

namespace gpt4all {

namespace {

constexpr int64_t kCachedBlocks = 3;
constexpr size_t kMostPacked = 256 << 20;  // bytes of weights that stay packed
constexpr int64_t kFewestColumns = 24;     // for which others are packed each time

// The weights of one matrix, packed by the threads that come to them first.
struct PackedWeights {
  PackedWeights(int64_t rows, int64_t length)
      : numbers(new (std::align_val_t(64)) int16_t[static_cast<size_t>(rows * length)]),
        scales(static_cast<size_t>(rows * (length / kWideBlock))),
        is_packed(static_cast<size_t>(rows / kWideRows)) {}

  struct Free {
    void operator()(int16_t* numbers) const { ::operator delete[](numbers, std::align_val_t(64)); }
  };
  std::unique_ptr<int16_t[], Free> numbers;
  std::vector<float> scales;
  std::vector<uint8_t> is_packed;  // by kWideRows rows
};

// The weights that a pool has packed. Its context keeps the weights alive, so that their addresses name them.
struct WidePool {
  std::unordered_map<const void*, PackedWeights> packed;
  size_t bytes = 0;
};

// The threads of all pools look for theirs here, and read what lies beside it only where they find it: so
// another pool can be forgotten meanwhile.
struct NamedPool {
  std::atomic<const ggml_threadpool*> pool{nullptr};
  WidePool* wide = nullptr;
};

// Contexts that embed are few. More of them than this, and the later ones compute as ggml does.
std::array<NamedPool, 256> pools;
std::mutex naming;

WidePool* Find(const ggml_threadpool* pool) {
  for (const NamedPool& one : pools) {
    if (one.pool.load(std::memory_order_acquire) == pool) return one.wide;
  }
  return nullptr;
}

// What all threads share of one product. The columns come first in the memory of the step.
struct WideProduct {
  explicit WideProduct(const ggml_tensor& operation)
      : weights(*operation.src[0]),
        activations(*operation.src[1]),
        length(weights.ne[0]),
        blocks(length / kWideBlock),
        count(activations.ne[1]) {}

  size_t column_bytes() const { return Aligned(static_cast<size_t>(count * length) * sizeof(int16_t)); }
  size_t scale_bytes() const { return Aligned(static_cast<size_t>(count * blocks) * sizeof(float)); }
  // Of the rows that a thread has packed.
  size_t row_bytes() const {
    return Aligned(static_cast<size_t>(kWideRows) * static_cast<size_t>(length) * sizeof(int16_t));
  }

  const ggml_tensor &weights, &activations;
  const int64_t length, blocks, count;

 private:
  static size_t Aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
};

void QuantizeColumns(const WideProduct& product, int16_t* columns, float* scales, int64_t thread,
                     int64_t threads) {
  const int64_t all = product.count * product.blocks;
  for (int64_t i = all * thread / threads; i < all * (thread + 1) / threads; i++) {
    const int64_t column = i / product.blocks, block = i % product.blocks;
    const auto* values = reinterpret_cast<const float*>(static_cast<const char*>(product.activations.data) +
                                                        column * product.activations.nb[1]);
    scales[i] = QuantizeWide(values + block * kWideBlock, columns + i * kWideBlock);
  }
}

// The packed weights of the product; null where there are too many to keep them. One thread at a time.
PackedWeights* Keep(WidePool& pool, const ggml_tensor& weights) {
  const auto found = pool.packed.find(weights.data);
  if (found != pool.packed.end()) return &found->second;
  const size_t bytes = static_cast<size_t>(ggml_nelements(&weights)) * sizeof(int16_t);
  if (pool.bytes + bytes > kMostPacked) return nullptr;
  try {
    PackedWeights* const kept =
        &pool.packed.try_emplace(weights.data, weights.ne[1], weights.ne[0]).first->second;
    pool.bytes += bytes;
    return kept;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void PackRows(const WideProduct& product, int64_t first, int16_t* packed, float* scales) {
  const ggml_tensor& weights = product.weights;
  const ggml_to_float_t to_float = ggml_get_type_traits(weights.type)->to_float;
  for (int64_t block = 0; block < product.blocks; block++) {
    int16_t rows[kWideRows * kWideBlock];
    for (int64_t row = 0; row < kWideRows; row++) {
      const char* const from = static_cast<const char*>(weights.data) +
                               static_cast<size_t>(first + row) * weights.nb[1] +
                               ggml_row_size(weights.type, block * kWideBlock);
      float values[kWideBlock];
      if (weights.type == GGML_TYPE_F16) {
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(from), values, kWideBlock);
      } else {
        to_float(from, values, kWideBlock);
      }
      scales[block * kWideRows + row] = QuantizeWide(values, rows + row * kWideBlock);
    }
    PackWide(rows, packed + block * kWideRows * kWideBlock);
  }
}

class WideMatmul final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int threads, const ggml_tensor* operation, size_t& size) override {
    const WideProduct product(*operation);
    size = 64 + product.column_bytes() + product.scale_bytes() +
           static_cast<size_t>(threads) * (product.row_bytes() + RowScaleBytes(product));
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    WidePool* const pool = params->use_ref ? nullptr : Find(params->threadpool);
    if (pool == nullptr) return false;
    const WideProduct product(*operation);
    char* at = static_cast<char*>(params->wdata);
    at += (64 - reinterpret_cast<uintptr_t>(at) % 64) % 64;
    auto* const columns = reinterpret_cast<int16_t*>(at);
    auto* const scales = reinterpret_cast<float*>(at + product.column_bytes());
    at += product.column_bytes() + product.scale_bytes() +
          static_cast<size_t>(params->ith) * (product.row_bytes() + RowScaleBytes(product));
    auto* const own_rows = reinterpret_cast<int16_t*>(at);
    auto* const own_scales = reinterpret_cast<float*>(at + product.row_bytes());

    QuantizeColumns(product, columns, scales, params->ith, params->nth);
    if (params->ith == 0) {
      Keep(*pool, product.weights);
      ggml_threadpool_chunk_set(params->threadpool, params->nth);
    }
    ggml_barrier(params->threadpool);
    const auto kept = pool->packed.find(product.weights.data);
    PackedWeights* const all = kept == pool->packed.end() ? nullptr : &kept->second;
    if (all == nullptr && product.count < kFewestColumns) return false;
    for (int64_t row = kWideRows * params->ith; row < product.weights.ne[1];
         row = kWideRows * ggml_threadpool_chunk_add(params->threadpool, 1)) {
      int16_t* const rows = all == nullptr ? own_rows : all->numbers.get() + row * product.length;
      float* const row_scales = all == nullptr ? own_scales : all->scales.data() + row * product.blocks;
      const auto tile = static_cast<size_t>(row / kWideRows);
      if (all == nullptr || !all->is_packed[tile]) PackRows(product, row, rows, row_scales);
      if (all != nullptr) all->is_packed[tile] = 1;
      MultiplyRows(product, row, rows, row_scales, columns, scales, *operation);
    }
    return true;
  }

 private:
  static size_t RowScaleBytes(const WideProduct& product) {
    return static_cast<size_t>(product.blocks * kWideRows) * sizeof(float);
  }

  static void MultiplyRows(const WideProduct& product, int64_t row, const int16_t* packed,
                           const float* row_scales, const int16_t* columns, const float* scales,
                           const ggml_tensor& operation) {
    const WideKernel& kernel = UsesVnni() ? kWideVnni : kWideAvx2;
    const auto result_stride = static_cast<int64_t>(operation.nb[1] / sizeof(float));
    // So many blocks of the rows stay in the cache while all columns pass.
    for (int64_t first = 0; first < product.blocks; first += kCachedBlocks) {
      const int64_t end = std::min(product.blocks, first + kCachedBlocks);
      for (int64_t column = 0; column < product.count; column += kernel.most_columns) {
        const int64_t count = std::min(kernel.most_columns, product.count - column);
        const WideTile tile{columns + column * product.length + first * kWideBlock,
                            static_cast<size_t>(product.length),
                            scales + column * product.blocks + first,
                            static_cast<size_t>(product.blocks),
                            static_cast<float*>(operation.data) + column * result_stride + row,
                            static_cast<size_t>(result_stride)};
        kernel.multiply(packed + first * kWideRows * kWideBlock, row_scales + first * kWideRows, tile, count,
                        end - first, first == 0);
      }
    }
  }
};

}  // namespace

void UseWideProducts(ggml_threadpool* pool) {
  const std::lock_guard<std::mutex> lock(naming);
  for (NamedPool& one : pools) {
    if (one.pool != nullptr) continue;
    one.wide = new WidePool;
    one.pool.store(pool, std::memory_order_release);
    return;
  }
}

void ForgetWideProducts(const ggml_threadpool* pool) {
  const std::lock_guard<std::mutex> lock(naming);
  for (NamedPool& one : pools) {
    if (one.pool != pool) continue;
    one.pool = nullptr;
    delete one.wide;
    return;
  }
}

bool ComputesWide(const ggml_threadpool* pool) {
  return Find(pool) != nullptr;
}

namespace {

ggml::cpu::tensor_traits* WideProductTraits(const ggml_tensor& operation) {
  static WideMatmul traits;
  const ggml_tensor &weights = *operation.src[0], &activations = *operation.src[1];
  const bool is_weight = weights.buffer != nullptr && weights.op == GGML_OP_NONE &&
                         ggml_backend_buffer_get_usage(weights.buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS &&
                         ggml_backend_buft_is_host(ggml_backend_buffer_get_type(weights.buffer));
  const bool is_plain = ggml_is_matrix(&weights) && weights.nb[0] == ggml_type_size(weights.type) &&
                        kWideBlock % ggml_blck_size(weights.type) == 0 && weights.ne[0] % kWideBlock == 0 &&
                        weights.ne[1] % kWideRows == 0 && activations.type == GGML_TYPE_F32 &&
                        ggml_is_matrix(&activations) && activations.nb[0] == sizeof(float) &&
                        operation.nb[1] % sizeof(float) == 0;
  // Floats are more exact than whole numbers of 13 bits; those are left to ggml.
  const bool is_less =
      weights.type != GGML_TYPE_F32 && ggml_get_type_traits(weights.type)->to_float != nullptr;
  return is_weight && is_plain && is_less ? &traits : nullptr;
}

}  // namespace

ggml::cpu::tensor_traits* WideTraits(const ggml_tensor& operation) {
  switch (operation.op) {
    case GGML_OP_UNARY:
      return WideGeluTraits(operation);
    case GGML_OP_FLASH_ATTN_EXT:
      return WideAttentionTraits(operation);
    case GGML_OP_CPY:
    case GGML_OP_DUP:
      return WideCastTraits(operation);
    case GGML_OP_MUL_MAT:
      return WideProductTraits(operation);
    default:
      return nullptr;
  }
}

}  // namespace gpt4all
#endif
