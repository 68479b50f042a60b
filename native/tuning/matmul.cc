// Products of quantized weights with columns of activations, where ggml's own are not as fast as they could
// be:
//
// - Several columns (prompts, streams side by side): ggml multiplies Q4_1 column by column, and unpacks each
//   weight anew for each; repacked Q4_0 four columns at a time, the rest one by one. Here a block is unpacked
//   once for four or eight columns, and the effect of the weights' signs is subtracted at the end.
// - Q4_1, Q8_0 and repacked Q4_0 times one column (a stream alone): they wait for memory. Here several rows
//   are read at once, and the next ones are prefetched, across pages, at which the hardware stops.
//
// Each product sums in the order of ggml's own, so results are the same bit for bit; weights stay where and
// as they are. ggml asks the entries of a list of "extra buffer types" whether they compute an operation; an
// entry that holds no buffers is put on that list.
#include "matmul.h"

#ifdef GPT4ALL_MATMUL
#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "ggml-cpu.h"
#include "ggml-cpu/repack.h"
#include "ggml-cpu/traits.h"
#include "matmul-kernels.h"
#include "wide-products.h"

namespace gpt4all {

namespace {

constexpr int64_t kMostRows = 256;  // that a thread takes at once
constexpr int64_t kInterleaved = 8;

enum Level : size_t { kGgml, kAvx2, kVnni };

constexpr const char* kNames[] = {"ggml", "avx2", "vnni"};  // of the levels

std::atomic<Level> used{kGgml};
Level best = kGgml;

// Quantizes this thread's share of the columns' blocks. In block_q8_0, which ggml takes for Q8_0 and Q4_0,
// values and scale are the same, and there is no sum, which as a half may be infinite.
GPT4ALL_AVX2 void FillColumns(const Product& product, const ggml_tensor& operation, int64_t thread,
                              int64_t threads) {
  const ggml_tensor& activations = *operation.src[1];
  const ggml_from_float_t quantize = ggml_get_type_traits_cpu(GGML_TYPE_Q8_1)->from_float;
  const bool has_minima = operation.src[0]->type == GGML_TYPE_Q4_1;
  const int64_t all = product.count * product.blocks;
  for (int64_t i = all * thread / threads; i < all * (thread + 1) / threads; i++) {
    const int64_t column = i / product.blocks, block = i % product.blocks;
    const char* const values = static_cast<const char*>(activations.data) + column * activations.nb[1];
    block_q8_1 quantized;
    quantize(reinterpret_cast<const float*>(values) + block * QK8_1, &quantized, QK8_1);
    const float scale = _cvtsh_ss(quantized.data.data.d);
    const float sum = has_minima ? _cvtsh_ss(quantized.data.data.s) : 0;
    int32_t excess = 0;
    for (const int8_t value : quantized.qs) excess += 8 * value;
    if (product.count == 1) {
      ColumnBlock& to = static_cast<ColumnBlock*>(product.columns)[block];
      std::memcpy(to.values, quantized.qs, sizeof quantized.qs);
      to.scale = scale;
      to.sum = sum;
      to.excess = excess;
    } else {
      TileBlock& to = static_cast<TileBlock*>(product.columns)[column / kTile * product.blocks + block];
      std::memcpy(to.values[column % kTile], quantized.qs, sizeof quantized.qs);
      to.scales[column % kTile] = scale;
      to.sums[column % kTile] = sum;
      to.excess[column % kTile] = excess;
    }
  }
}

// The kernel for this product; null where ggml computes it.
Multiply KernelFor(const ggml_tensor& weights, bool is_one_column) {
  if (weights.buffer == nullptr) return nullptr;
  const ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(weights.buffer);
  if (type == ggml_backend_cpu_repack_buffer_type()) {
    // As ggml_repack_get_optimal_repack_type() does on AVX2.
    const bool is_interleaved = weights.type == GGML_TYPE_Q4_0 && weights.ne[1] % kInterleaved == 0;
    if (!is_interleaved) return nullptr;
    if (is_one_column) return MultiplyColumnQ40x8;
    return used == kVnni ? MultiplyTilesQ40x8Vnni : MultiplyTilesQ40x8;
  }
  if (!ggml_backend_buft_is_host(type)) return nullptr;
  if (weights.type == GGML_TYPE_Q4_1) return is_one_column ? MultiplyColumnQ41 : MultiplyTilesQ41;
  return weights.type == GGML_TYPE_Q8_0 && is_one_column ? MultiplyColumnQ80 : nullptr;
}

Multiply KernelFor(const ggml_tensor& operation) {
  if (operation.op != GGML_OP_MUL_MAT || used == kGgml) return nullptr;
  const ggml_tensor &weights = *operation.src[0], &activations = *operation.src[1];
  const bool is_plain = ggml_is_matrix(&weights) && weights.nb[0] == ggml_type_size(weights.type) &&
                        activations.type == GGML_TYPE_F32 && ggml_is_matrix(&activations) &&
                        activations.nb[0] == sizeof(float) && operation.nb[1] % sizeof(float) == 0;
  return is_plain ? KernelFor(weights, activations.ne[1] == 1) : nullptr;
}

class Matmul final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor* operation, size_t& size) override {
    const int64_t blocks = operation->src[1]->ne[0] / QK8_1, count = operation->src[1]->ne[1];
    size =
        count == 1 ? blocks * sizeof(ColumnBlock) : (count + kTile - 1) / kTile * blocks * sizeof(TileBlock);
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    const ggml_tensor &weights = *operation->src[0], &activations = *operation->src[1];
    const Multiply multiply = KernelFor(*operation);
    if (params->use_ref || multiply == nullptr) return false;
    const Product product{static_cast<const char*>(weights.data),
                          weights.nb[1],
                          params->wdata,
                          static_cast<float*>(operation->data),
                          operation->nb[1] / sizeof(float),
                          weights.ne[1],
                          activations.ne[1],
                          weights.ne[0] / QK8_1};
    FillColumns(product, *operation, params->ith, params->nth);
    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    // Several chunks for each thread: one that is held up leaves the rest to others.
    const int64_t share = product.rows / (4 * params->nth) / kInterleaved * kInterleaved;
    const int64_t rows = std::clamp(share, kInterleaved, kMostRows);
    for (int64_t chunk = params->ith; chunk * rows < product.rows;
         chunk = ggml_threadpool_chunk_add(params->threadpool, 1)) {
      multiply(product, chunk * rows, std::min(product.rows, (chunk + 1) * rows));
    }
    return true;
  }
};

// Chooses the operations that Matmul computes; holds no buffers.
class Dispatcher final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor*) override { return false; }

  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* operation) override {
    if (used == kGgml) return nullptr;
    return KernelFor(*operation) != nullptr ? &matmul_ : WideTraits(*operation);
  }

 private:
  Matmul matmul_;
};

}  // namespace

void InstallMatmul() {
  // Otherwise ggml was built with another dot product, which sums in another order.
  if (!ggml_cpu_has_avx2() || !ggml_cpu_has_fma() || !ggml_cpu_has_f16c()) return;
  // llama.cpp copies the list when it is first asked for: asked now, it puts no weights into the new entry.
  const ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  const auto list = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(ggml_backend_reg_get_proc_address(
      ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
  if (list == nullptr) return;
  list(cpu);
  const bool has_vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
  used = best = has_vnni ? kVnni : kAvx2;
  static Dispatcher dispatcher;
  static ggml_backend_buffer_type type{{}, cpu, &dispatcher};
  // In front of ggml's repacking, which computes all that it has repacked.
  auto& types = ggml_backend_cpu_get_extra_buffer_types();
  types.insert(types.begin(), &type);
}

std::vector<std::string> Kernels() {
  return {kNames, kNames + best + 1};
}

bool UseKernels(const std::string& name) {
  const auto end = kNames + best + 1;
  const auto found = std::find(kNames, end, name);
  if (found == end) return false;
  used = static_cast<Level>(found - kNames);
  return true;
}

bool UsesVnni() {
  return used == kVnni;
}

}  // namespace gpt4all
#endif
