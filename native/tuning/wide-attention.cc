// Attention for contexts that embed: batches hold many short texts, each of which attends to its own tokens
// only. ggml computes whole tiles of scores, most of which its mask drops; here a text's scores alone are.
#include "wide-products.h"

#ifdef GPT4ALL_MATMUL
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ggml-cpu.h"
#include "ggml-cpu/ggml-cpu-impl.h"
#include "ggml-cpu/traits.h"
#include "ggml-cpu/vec.h"
#include "wide-exp.h"

namespace gpt4all {

namespace {

// Fewer queries are summed in halves, as ggml does: texts alone get the vectors that llama.cpp gives them.
constexpr int64_t kFewestInFloats = 64;
constexpr int64_t kQueries = 4;  // that are computed at once
constexpr int64_t kKeys = 16;    // in two registers
constexpr int64_t kLongestHead = 256;

// Which keys a query attends to: `from` to the one before `to`.
struct Range {
  int64_t from, to;
};

// Queries, one after the other, whose first key is the same.
struct Run {
  int64_t first, last;  // before `last`
  int64_t from, to;     // all keys of its queries
};

// The ranges of a mask that lets each query attend to neighbouring keys, and to all of them alike. Returns
// false for another mask.
bool ReadMask(const ggml_tensor& mask, int64_t queries, int64_t keys, std::vector<Run>& runs,
              std::vector<Range>& ranges) {
  constexpr uint16_t kDropped = 0xfc00;  // -infinity
  runs.clear();
  ranges.clear();
  for (int64_t query = 0; query < queries; query++) {
    const auto* row = reinterpret_cast<const uint16_t*>(static_cast<const char*>(mask.data) +
                                                        query * static_cast<int64_t>(mask.nb[1]));
    const auto* const first = std::find_if(row, row + keys, [](uint16_t one) { return one != kDropped; });
    const auto* const last = std::find(first, row + keys, kDropped);
    const auto is_zero = [](uint16_t one) { return (one & 0x7fff) == 0; };
    if (first == last || !std::all_of(first, last, is_zero)) return false;
    if (std::any_of(last, row + keys, [](uint16_t one) { return one != kDropped; })) return false;
    const Range range{first - row, last - row};
    ranges.push_back(range);
    if (runs.empty() || runs.back().from != range.from) runs.push_back({query, query, range.from, range.to});
    runs.back().last = query + 1;
    runs.back().to = std::max(runs.back().to, range.to);
  }
  return true;
}

// A thread's own memory, which it keeps for the next step.
struct Scratch {
  std::vector<float> keys;    // [numbers of a head][keys, rounded up]
  std::vector<float> values;  // [keys][numbers of a head]
  std::vector<float> scores;  // [kQueries][keys, rounded up]
  std::vector<Run> runs;
  std::vector<Range> ranges;
};

struct Attention {
  explicit Attention(const ggml_tensor& operation)
      : q(*operation.src[0]), k(*operation.src[1]), v(*operation.src[2]), result(operation) {
    std::memcpy(&scale, operation.op_params, sizeof scale);
  }

  float* ResultOf(int64_t query, int64_t head) const {
    return reinterpret_cast<float*>(static_cast<char*>(result.data) +
                                    head * static_cast<int64_t>(result.nb[1]) +
                                    query * static_cast<int64_t>(result.nb[2]));
  }

  const ggml_tensor &q, &k, &v, &result;
  float scale;
};

const char* RowOf(const ggml_tensor& tensor, int64_t row, int64_t head) {
  return static_cast<const char*>(tensor.data) + row * static_cast<int64_t>(tensor.nb[1]) +
         head * static_cast<int64_t>(tensor.nb[2]);
}

void ToFloats(const ggml_tensor& tensor, int64_t row, int64_t head, float* to) {
  const char* const from = RowOf(tensor, row, head);
  if (tensor.type == GGML_TYPE_F32) {
    std::memcpy(to, from, static_cast<size_t>(tensor.ne[0]) * sizeof(float));
  } else {
    ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(from), to, tensor.ne[0]);
  }
}

// Scores of kQueries queries with kKeys keys at a time.
GPT4ALL_AVX2 void Score(const float* const (&queries)[kQueries], const Attention& attention,
                        const float* keys, int64_t stride, float* scores) {
  const int64_t length = attention.q.ne[0];
  const __m256 scale = _mm256_set1_ps(attention.scale);
  for (int64_t key = 0; key < stride; key += kKeys) {
    __m256 low[kQueries] = {}, high[kQueries] = {};
    for (int64_t i = 0; i < length; i++) {
      const __m256 first = _mm256_loadu_ps(keys + i * stride + key);
      const __m256 second = _mm256_loadu_ps(keys + i * stride + key + 8);
      for (int64_t query = 0; query < kQueries; query++) {
        const __m256 number = _mm256_broadcast_ss(queries[query] + i);
        low[query] = _mm256_fmadd_ps(number, first, low[query]);
        high[query] = _mm256_fmadd_ps(number, second, high[query]);
      }
    }
    for (int64_t query = 0; query < kQueries; query++) {
      _mm256_storeu_ps(scores + query * stride + key, _mm256_mul_ps(scale, low[query]));
      _mm256_storeu_ps(scores + query * stride + key + 8, _mm256_mul_ps(scale, high[query]));
    }
  }
}

// Turns the first `count` scores into shares of one, the others into 0.
GPT4ALL_AVX2 void Softmax(float* scores, int64_t count, int64_t stride) {
  constexpr float kLog2 = 1.44269504f;
  std::fill(scores + count, scores + stride, -INFINITY);
  __m256 most = _mm256_loadu_ps(scores);
  for (int64_t i = 8; i < stride; i += 8) most = _mm256_max_ps(most, _mm256_loadu_ps(scores + i));
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, most);
  const __m256 top = _mm256_set1_ps(*std::max_element(lanes, lanes + 8));
  __m256 sum = _mm256_setzero_ps();
  for (int64_t i = 0; i < stride; i += 8) {
    const __m256 power =
        _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(scores + i), top), _mm256_set1_ps(kLog2));
    // Below this a share is nothing beside the largest, which is 1; and so are those that do not count.
    const __m256 least = _mm256_set1_ps(-126);
    const __m256 counts = _mm256_cmp_ps(power, least, _CMP_GE_OQ);
    const __m256 share = _mm256_and_ps(counts, Exp2(_mm256_max_ps(power, least)));
    sum = _mm256_add_ps(sum, share);
    _mm256_storeu_ps(scores + i, share);
  }
  _mm256_store_ps(lanes, sum);
  float total = 0;
  for (const float lane : lanes) total += lane;
  const __m256 inverse = _mm256_set1_ps(1 / total);
  for (int64_t i = 0; i < stride; i += 8)
    _mm256_storeu_ps(scores + i, _mm256_mul_ps(inverse, _mm256_loadu_ps(scores + i)));
}

// The sum of the values, each times its share, of kQueries queries.
GPT4ALL_AVX2 void Weigh(const float* scores, int64_t stride, const float* values, int64_t count,
                        int64_t length, float* const (&results)[kQueries]) {
  for (int64_t at = 0; at < length; at += 16) {
    __m256 low[kQueries] = {}, high[kQueries] = {};
    for (int64_t key = 0; key < count; key++) {
      const __m256 first = _mm256_loadu_ps(values + key * length + at);
      const __m256 second = _mm256_loadu_ps(values + key * length + at + 8);
      for (int64_t query = 0; query < kQueries; query++) {
        const __m256 share = _mm256_broadcast_ss(scores + query * stride + key);
        low[query] = _mm256_fmadd_ps(share, first, low[query]);
        high[query] = _mm256_fmadd_ps(share, second, high[query]);
      }
    }
    for (int64_t query = 0; query < kQueries; query++) {
      _mm256_storeu_ps(results[query] + at, low[query]);
      _mm256_storeu_ps(results[query] + at + 8, high[query]);
    }
  }
}

GPT4ALL_AVX2 inline __m256 Halved(__m256 numbers) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
}

// What has been summed for a query, as ggml does it: rounded to halves with each key, and scaled when a
// larger score comes.
class HalfSums {
 public:
  explicit HalfSums(int64_t length) : registers_(length / 8) { std::fill_n(sums_, length, 0.0f); }

  GPT4ALL_AVX2 void Add(float score, const float* value) {
    const bool is_most = score > most_;
    const float shrinks = is_most ? std::exp(most_ - score) : 1,
                share = is_most ? 1 : std::exp(score - most_);
    if (is_most) most_ = score;
    total_ = total_ * shrinks + share;
    for (int64_t i = 0; i < registers_; i++) {
      __m256 sum = _mm256_load_ps(sums_ + 8 * i);
      if (is_most) sum = Halved(_mm256_mul_ps(sum, _mm256_set1_ps(shrinks)));
      sum = Halved(_mm256_fmadd_ps(_mm256_loadu_ps(value + 8 * i), _mm256_set1_ps(share), sum));
      _mm256_store_ps(sums_ + 8 * i, sum);
    }
  }

  GPT4ALL_AVX2 void Store(float* result) const {
    const __m256 inverse = _mm256_set1_ps(1 / total_);
    for (int64_t i = 0; i < registers_; i++)
      _mm256_storeu_ps(result + 8 * i, _mm256_mul_ps(inverse, _mm256_load_ps(sums_ + 8 * i)));
  }

 private:
  alignas(32) float sums_[kLongestHead];
  int64_t registers_;
  float most_ = -INFINITY, total_ = 0;
};

// Rows of eight numbers become columns of the keys.
void Transpose(const float* rows, int64_t count, int64_t length, float* to, int64_t stride) {
  for (int64_t i = 0; i < length; i++) {
    for (int64_t row = 0; row < count; row++) to[i * stride + row] = rows[row * length + i];
    std::fill(to + i * stride + count, to + (i + 1) * stride, 0.0f);
  }
}

void Attend(const Attention& attention, const Run& run, int64_t head, Scratch& scratch) {
  const ggml_tensor &q = attention.q, &k = attention.k, &v = attention.v;
  const int64_t count = run.to - run.from, stride = (count + kKeys - 1) / kKeys * kKeys;
  const int64_t length = v.ne[0];
  const int64_t key_head = head / (q.ne[2] / k.ne[2]), value_head = head / (q.ne[2] / v.ne[2]);
  scratch.keys.resize(static_cast<size_t>(stride * k.ne[0]));
  scratch.values.resize(static_cast<size_t>(count * std::max(length, k.ne[0])));
  scratch.scores.resize(static_cast<size_t>(stride * kQueries));
  for (int64_t i = 0; i < count; i++)
    ToFloats(k, run.from + i, key_head, scratch.values.data() + i * k.ne[0]);
  Transpose(scratch.values.data(), count, k.ne[0], scratch.keys.data(), stride);
  for (int64_t i = 0; i < count; i++)
    ToFloats(v, run.from + i, value_head, scratch.values.data() + i * length);

  float unused[kLongestHead];
  for (int64_t first = run.first; first < run.last; first += kQueries) {
    const float* queries[kQueries];
    float* results[kQueries];
    for (int64_t i = 0; i < kQueries; i++) {
      const int64_t query = std::min(first + i, run.last - 1);
      queries[i] = reinterpret_cast<const float*>(RowOf(q, query, head));
      results[i] = first + i < run.last ? attention.ResultOf(query, head) : unused;
    }
    Score(queries, attention, scratch.keys.data(), stride, scratch.scores.data());
    for (int64_t i = 0; i < kQueries; i++) {
      const Range& range = scratch.ranges[static_cast<size_t>(std::min(first + i, run.last - 1))];
      Softmax(scratch.scores.data() + i * stride, range.to - range.from, stride);
    }
    Weigh(scratch.scores.data(), stride, scratch.values.data(), count, length, results);
  }
}

// For few queries, with ggml's bits.
void AttendInHalves(const Attention& attention, const Run& run, int64_t head, Scratch& scratch) {
  const ggml_tensor &q = attention.q, &k = attention.k, &v = attention.v;
  const int64_t length = v.ne[0];
  const int64_t key_head = head / (q.ne[2] / k.ne[2]), value_head = head / (q.ne[2] / v.ne[2]);
  scratch.values.resize(static_cast<size_t>((run.to - run.from) * length));
  for (int64_t i = 0; i < run.to - run.from; i++)
    ToFloats(v, run.from + i, value_head, scratch.values.data() + i * length);
  for (int64_t query = run.first; query < run.last; query++) {
    ggml_fp16_t halves[kLongestHead];
    ggml_cpu_fp32_to_fp16(reinterpret_cast<const float*>(RowOf(q, query, head)), halves, q.ne[0]);
    HalfSums sums(length);
    const Range& range = scratch.ranges[static_cast<size_t>(query)];
    for (int64_t key = range.from; key < range.to; key++) {
      float score;
      // ggml writes to none of its operands.
      auto* const keys = reinterpret_cast<ggml_fp16_t*>(const_cast<char*>(RowOf(k, key, key_head)));
      ggml_vec_dot_f16(static_cast<int>(q.ne[0]), &score, 0, keys, 0, halves, 0, 1);
      sums.Add(score * attention.scale, scratch.values.data() + (key - run.from) * length);
    }
    sums.Store(attention.ResultOf(query, head));
  }
}

class WideAttention final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor*, size_t&) override { return false; }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* operation) override {
    if (params->use_ref || !ComputesWide(params->threadpool)) return false;
    thread_local Scratch scratch;
    const Attention attention(*operation);
    const ggml_tensor& mask = *operation->src[3];
    if (!ReadMask(mask, attention.q.ne[1], attention.k.ne[1], scratch.runs, scratch.ranges)) return false;
    // In a sliding window each query has a run of its own, whose keys would be turned into floats again.
    if (2 * static_cast<int64_t>(scratch.runs.size()) > attention.q.ne[1]) return false;
    const auto heads = attention.q.ne[2];
    const auto all = static_cast<int64_t>(scratch.runs.size()) * heads;
    const auto runs = [&](int64_t one) { return scratch.runs[static_cast<size_t>(one / heads)]; };
    if (attention.q.ne[1] < kFewestInFloats) {
      const int64_t end = all * (params->ith + 1) / params->nth;
      for (int64_t one = all * params->ith / params->nth; one < end; one++)
        AttendInHalves(attention, runs(one), one % heads, scratch);
      return true;
    }
    if (params->ith == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    for (int64_t one = params->ith; one < all; one = ggml_threadpool_chunk_add(params->threadpool, 1))
      Attend(attention, runs(one), one % heads, scratch);
    return true;
  }
};

bool IsKept(const ggml_tensor& tensor) {
  return (tensor.type == GGML_TYPE_F16 || tensor.type == GGML_TYPE_F32) && tensor.ne[3] == 1 &&
         tensor.nb[0] == ggml_type_size(tensor.type);
}

}  // namespace

ggml::cpu::tensor_traits* WideAttentionTraits(const ggml_tensor& operation) {
  static WideAttention traits;
  if (operation.op != GGML_OP_FLASH_ATTN_EXT) return nullptr;
  const ggml_tensor &q = *operation.src[0], &k = *operation.src[1], &v = *operation.src[2];
  const ggml_tensor* const mask = operation.src[3];
  float biases[2];  // ALiBi's, and the cap of scores
  std::memcpy(biases, reinterpret_cast<const float*>(operation.op_params) + 1, sizeof biases);
  const bool is_plain = biases[0] == 0 && biases[1] == 0 && operation.src[4] == nullptr;
  const bool has_mask =
      mask != nullptr && mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && mask->ne[3] == 1;
  const bool fits = q.type == GGML_TYPE_F32 && q.nb[0] == sizeof(float) && q.ne[3] == 1 && IsKept(k) &&
                    IsKept(v) && v.ne[0] % 16 == 0 && v.ne[0] <= kLongestHead && k.ne[0] <= kLongestHead;
  const bool sums_halves = k.type == GGML_TYPE_F16 && v.type == GGML_TYPE_F16;
  const bool is_ours = q.ne[1] >= kFewestInFloats || sums_halves;
  return is_plain && has_mask && fits && is_ours ? &traits : nullptr;
}

}  // namespace gpt4all
#endif
