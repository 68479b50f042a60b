// Drawing one token from logits: repeat penalty, top-k, top-p, min-p, temperature, draw, in this order. Pure
// computation: no N-API, no llama.cpp. llama.cpp's sampler chain fills and sorts a record for each word of
// the vocabulary first, which for 49,152 words costs about 4 % of a small model's token; this one reads the
// logits once and keeps only what can still be drawn.
#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace gpt4all {

struct SamplingParams {
  float temperature;       // 0 = greedy
  int32_t top_k;           // 0 = off
  float top_p;             // 1 = off
  float min_p;             // 0 = off
  float repeat_penalty;    // 1 = off
  uint32_t repeat_last_n;  // drawn tokens to look back on, 0 = off
  uint32_t seed;
};

class Sampling {
 public:
  Sampling(int32_t vocab_size, const SamplingParams& params);

  // Draws from `logits` ([vocab_size]; penalised in place and put back) and remembers the token. Returns -1
  // when no logit is a finite number: the model is broken.
  int32_t Draw(float* logits);

  // Remembers `token` as drawn, for the penalty.
  void Accept(int32_t token);

  int32_t vocab_size() const { return vocab_size_; }

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };

  void Penalise(float* logits);
  void Restore(float* logits);
  int32_t Greedy(const float* logits) const;
  int32_t DrawFromAll(const float* logits);
  void KeepTopK(const float* logits, size_t k);
  void KeepAll(const float* logits);
  size_t SortUntilTopP(double total);
  int32_t DrawFromSorted(size_t count);
  double Uniform();

  const int32_t vocab_size_;
  const SamplingParams params_;
  std::mt19937 random_;  // its sequence is fixed by the C++ standard, so a seed repeats on every platform
  std::vector<int32_t> history_;  // ring of the last repeat_last_n drawn tokens
  size_t history_next_ = 0;
  std::vector<std::pair<int32_t, float>> penalised_;  // token, logit as it was
  std::vector<bool> is_penalised_;                    // by token
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

}  // namespace gpt4all
