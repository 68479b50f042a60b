// The computation of a sampler (sampler.h is JavaScript's handle on it): draws a token from logits by bias,
// penalties, top-k, top-p, min-p and temperature, in this order. No N-API, no llama.cpp, whose sampler chain
// first fills and sorts a record for each word of the vocabulary: for 49,152 words some 4 % of a small
// model's time. This one reads the logits once and keeps only what can still be drawn.
#pragma once

#include <cstdint>
#include <limits>
#include <mutex>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpt4all {

// Of a word that is never drawn: negative infinity as well, and llama.cpp's own mark (chameleon.cpp).
constexpr float kNoLogit = std::numeric_limits<float>::lowest();

struct SamplingParams {
  float temperature;        // 0 = greedy
  int32_t top_k;            // 0 = off
  float top_p;              // 1 = off
  float min_p;              // 0 = off
  float repeat_penalty;     // 1 = off
  uint32_t repeat_last_n;   // tokens to look back on, 0 = off
  float presence_penalty;   // taken off the logit of every token drawn so far, 0 = off
  float frequency_penalty;  // the same, once per time it was drawn, 0 = off
  uint32_t seed;
  std::vector<std::pair<int32_t, float>> bias;  // token, what its logit gains; each token once
};

class TokenDraw {
 public:
  TokenDraw(int32_t vocab_size, const SamplingParams& params);

  // Draws from `logits` ([vocab_size]; changed in place and put back) and remembers the token. Returns -1
  // when no logit is a finite number: the model is broken.
  int32_t Next(float* logits);

  // Remembers `token` as drawn, for the penalties.
  void Accept(int32_t token);

  // Remembers `token` for the repeat penalty alone: a token of the prompt.
  void LookBackOn(int32_t token);

  int32_t vocab_size() const { return vocab_size_; }

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };

  void Adjust(float* logits);
  void Set(float* logits, int32_t token, float logit);
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
  std::vector<int32_t> history_;  // ring of the last repeat_last_n tokens
  size_t history_next_ = 0;
  std::unordered_map<int32_t, uint32_t> counts_;     // how often each token was drawn
  std::vector<std::pair<int32_t, float>> adjusted_;  // token, logit as it was; in the order of the changes
  std::vector<bool> is_repeated_;                    // by token
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

// A step draws on its context's thread; the lock keeps JavaScript's calls from running at the same time.
struct SharedDraw {
  SharedDraw(int32_t vocab_size, const SamplingParams& params) : draw(vocab_size, params) {}
  std::mutex mutex;
  TokenDraw draw;
};

}  // namespace gpt4all
