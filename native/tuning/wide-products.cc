#include "wide-products.h"

#ifdef GPT4ALL_MATMUL
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
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
// So many numbers of the columns each thread turns into whole numbers for itself: waiting for another takes
// longer.
constexpr int64_t kMostAlone = 8192;

// The weights of one matrix, packed by the threads that come to them first.
struct PackedWeights {
  PackedWeights(int64_t rows, int64_t length)
      : numbers(new (std::align_val_t(64)) int16_t[static_cast<size_t>(rows * length)]),
        scales(static_cast<size_t>(rows * (length / kWideBlock))),
        states(static_cast<size_t>(rows / kWideRows)) {}

  // What of kWideRows rows has been done, so that no thread waits for another's.
  enum State : uint8_t { kUntouched, kBeingPacked, kPacked };

  struct Free {
    void operator()(int16_t* numbers) const { ::operator delete[](numbers, std::align_val_t(64)); }
  };
  std::unique_ptr<int16_t[], Free> numbers;
  std::vector<float> scales;
  std::vector<std::atomic<uint8_t>> states;
};

// What has been packed of a model's weights. The pools' contexts keep them alive, so that their addresses
// name them.
class WideWeights {
 public:
  explicit WideWeights(const llama_model* of) : model(of) {}

  // Null where there are too many to keep them: for all threads alike, and for ever.
  PackedWeights* Keep(const ggml_tensor& weights) {
    const std::lock_guard<std::mutex> lock(keeping_);
    const auto found = packed_.find(weights.data);
    if (found != packed_.end()) return found->second.get();
    const size_t bytes = static_cast<size_t>(ggml_nelements(&weights)) * sizeof(int16_t);
    if (is_full_ || bytes_ + bytes > kMostPacked) return nullptr;
    try {
      auto& kept = packed_[weights.data];
      kept = std::make_unique<PackedWeights>(weights.ne[1], weights.ne[0]);
      bytes_ += bytes;
      return kept.get();
    } catch (const std::bad_alloc&) {
      is_full_ = true;
      return nullptr;
    }
  }

  const llama_model* const model;
  int64_t pools = 0;  // that use it

 private:
  std::mutex keeping_;
  std::unordered_map<const void*, std::unique_ptr<PackedWeights>> packed_;
  size_t bytes_ = 0;
  bool is_full_ = false;
};

// The threads of all pools look for theirs here, and read what lies beside it only where they find it: so
// another pool can be forgotten meanwhile.
struct NamedPool {
  std::atomic<const ggml_threadpool*> pool{nullptr};
  WideWeights* weights = nullptr;
};

// Contexts that embed are few. More of them than this, and the later ones compute as ggml does.
std::array<NamedPool, 256> pools;
std::mutex naming;

WideWeights* Find(const ggml_threadpool* pool) {
  for (const NamedPool& one : pools) {
    if (one.pool.load(std::memory_order_acquire) == pool) return one.weights;
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
    const auto count = static_cast<size_t>(threads);
    const size_t columns = product.column_bytes() + product.scale_bytes();
    size = 64 + (IsAlone(product) ? count : 1) * columns +
           count * (product.row_bytes() + RowScaleBytes(product));
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    WideWeights* const weights = params->use_ref ? nullptr : Find(params->threadpool);
    if (weights == nullptr) return false;
    const WideProduct product(*operation);
    PackedWeights* const kept = weights->Keep(product.weights);
    if (kept == nullptr && product.count < kFewestColumns) return false;
    const bool is_alone = IsAlone(product);
    const int64_t thread = params->ith, threads = params->nth;
    char* at = static_cast<char*>(params->wdata);
    at += (64 - reinterpret_cast<uintptr_t>(at) % 64) % 64;
    const size_t of_columns = product.column_bytes() + product.scale_bytes();
    char* const first = at + static_cast<size_t>(is_alone ? thread : 0) * of_columns;
    auto* const columns = reinterpret_cast<int16_t*>(first);
    auto* const scales = reinterpret_cast<float*>(first + product.column_bytes());
    at += static_cast<size_t>(is_alone ? threads : 1) * of_columns +
          static_cast<size_t>(thread) * (product.row_bytes() + RowScaleBytes(product));
    auto* const own_rows = reinterpret_cast<int16_t*>(at);
    auto* const own_scales = reinterpret_cast<float*>(at + product.row_bytes());

    if (is_alone) {
      QuantizeColumns(product, columns, scales, 0, 1);
    } else {
      QuantizeColumns(product, columns, scales, thread, threads);
      if (thread == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
      ggml_barrier(params->threadpool);
    }
    const int64_t tiles = product.weights.ne[1] / kWideRows;
    const int64_t end = is_alone ? tiles * (thread + 1) / threads : tiles;
    int64_t tile = is_alone ? tiles * thread / threads : thread;
    for (; tile < end; tile = is_alone ? tile + 1 : ggml_threadpool_chunk_add(params->threadpool, 1)) {
      const int64_t row = kWideRows * tile;
      if (kept != nullptr && IsPacked(product, row, *kept)) {
        MultiplyRows(product, row, kept->numbers.get() + row * product.length,
                     kept->scales.data() + row * product.blocks, columns, scales, *operation);
      } else {
        PackRows(product, row, own_rows, own_scales);
        MultiplyRows(product, row, own_rows, own_scales, columns, scales, *operation);
      }
    }
    return true;
  }

 private:
  static bool IsAlone(const WideProduct& product) { return product.count * product.length <= kMostAlone; }

  static size_t RowScaleBytes(const WideProduct& product) {
    return static_cast<size_t>(product.blocks * kWideRows) * sizeof(float);
  }

  // Whether the rows from `row` on are packed. Packs them unless another thread is at it.
  static bool IsPacked(const WideProduct& product, int64_t row, PackedWeights& kept) {
    std::atomic<uint8_t>& state = kept.states[static_cast<size_t>(row / kWideRows)];
    uint8_t seen = state.load(std::memory_order_acquire);
    if (seen == PackedWeights::kUntouched &&
        state.compare_exchange_strong(seen, PackedWeights::kBeingPacked)) {
      PackRows(product, row, kept.numbers.get() + row * product.length,
               kept.scales.data() + row * product.blocks);
      state.store(PackedWeights::kPacked, std::memory_order_release);
      return true;
    }
    return seen == PackedWeights::kPacked;
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

void UseWideProducts(ggml_threadpool* pool, const llama_model* model) {
  const std::lock_guard<std::mutex> lock(naming);
  const auto is_free = [](const NamedPool& one) { return one.pool == nullptr; };
  const auto is_ours = [&](const NamedPool& one) { return !is_free(one) && one.weights->model == model; };
  const auto place = std::find_if(pools.begin(), pools.end(), is_free);
  if (place == pools.end()) return;
  const auto known = std::find_if(pools.begin(), pools.end(), is_ours);
  place->weights = known == pools.end() ? new WideWeights(model) : known->weights;
  place->weights->pools++;
  place->pool.store(pool, std::memory_order_release);
}

void ForgetWideProducts(const ggml_threadpool* pool) {
  const std::lock_guard<std::mutex> lock(naming);
  const auto is_it = [&](const NamedPool& one) { return one.pool == pool; };
  const auto place = std::find_if(pools.begin(), pools.end(), is_it);
  if (place == pools.end()) return;
  place->pool = nullptr;
  if (--place->weights->pools == 0) delete place->weights;
}

bool ComputesWide(const ggml_threadpool* pool) {
  return Find(pool) != nullptr;
}

namespace {

// Skips the logits of a decoder that embeds, which nobody reads (vendor/patches/0005).
class UnreadLogits final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor*, size_t&) override { return false; }

  bool compute_forward(ggml_compute_params* params, ggml_tensor*) override {
    return !params->use_ref && ComputesWide(params->threadpool);
  }
};

ggml::cpu::tensor_traits* WideProductTraits(const ggml_tensor& operation) {
  static WideMatmul traits;
  static UnreadLogits unread;
  if (std::strcmp(operation.name, "result_output") == 0) return &unread;
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
