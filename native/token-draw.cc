#include "token-draw.h"

#include <algorithm>
#include <cmath>

namespace gpt4all {

namespace {
// Higher logit first; among equals the lower id, so that a draw never depends on how a sort breaks ties.
constexpr auto kBetter = [](const auto& a, const auto& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
};

// A top-k that keeps everything is top-k switched off.
SamplingParams Normalised(SamplingParams params, int32_t vocab_size) {
  if (params.top_k >= vocab_size) params.top_k = 0;
  return params;
}
}  // namespace

TokenDraw::TokenDraw(int32_t vocab_size, const SamplingParams& params)
    : vocab_size_(vocab_size), params_(Normalised(params, vocab_size)), random_(params.seed) {
}

void TokenDraw::Accept(int32_t token) {
  if (params_.presence_penalty != 0.0f || params_.frequency_penalty != 0.0f) counts_[token]++;
  LookBackOn(token);
}

void TokenDraw::LookBackOn(int32_t token) {
  if (params_.repeat_penalty == 1.0f || params_.repeat_last_n == 0) return;
  if (history_.size() < params_.repeat_last_n) {
    history_.push_back(token);
    return;
  }
  history_[history_next_] = token;
  history_next_ = (history_next_ + 1) % history_.size();
}

int32_t TokenDraw::Next(float* logits) {
  Adjust(logits);
  int32_t token;
  if (params_.temperature == 0.0f || params_.top_k == 1) {
    token = Greedy(logits);
  } else if (params_.top_k == 0 && params_.top_p >= 1.0f && params_.min_p <= 0.0f) {
    token = DrawFromAll(logits);
  } else {
    if (params_.top_k > 0) {
      KeepTopK(logits, static_cast<size_t>(params_.top_k));
    } else {
      KeepAll(logits);
    }
    double total = 0;
    const float best = candidates_.empty() ? 0.0f : candidates_.front().logit;
    for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit) - best);
    token = candidates_.empty() ? -1 : DrawFromSorted(SortUntilTopP(total));
  }
  Restore(logits);
  if (token >= 0) Accept(token);
  return token;
}

// Bias first, then the penalties. Repeat: llama.cpp's rule, and GPT4All's: a positive logit is divided, a
// negative one multiplied, once per token however often it occurs. Presence and frequency: OpenAI's, over all
// that was drawn.
void TokenDraw::Adjust(float* logits) {
  adjusted_.clear();
  for (const auto& [token, bias] : params_.bias) Set(logits, token, logits[token] + bias);
  if (!history_.empty()) is_repeated_.resize(static_cast<size_t>(vocab_size_));
  for (const int32_t token : history_) {
    if (is_repeated_[static_cast<size_t>(token)]) continue;
    is_repeated_[static_cast<size_t>(token)] = true;
    const float logit = logits[token];
    Set(logits, token, logit > 0 ? logit / params_.repeat_penalty : logit * params_.repeat_penalty);
  }
  for (const int32_t token : history_) is_repeated_[static_cast<size_t>(token)] = false;
  for (const auto& [token, count] : counts_) {
    const float times = static_cast<float>(count) * params_.frequency_penalty;
    Set(logits, token, logits[token] - times - params_.presence_penalty);
  }
}

void TokenDraw::Set(float* logits, int32_t token, float logit) {
  adjusted_.emplace_back(token, logits[token]);
  logits[token] = logit;
}

void TokenDraw::Restore(float* logits) {
  for (auto change = adjusted_.rbegin(); change != adjusted_.rend(); ++change)
    logits[change->first] = change->second;
}

int32_t TokenDraw::Greedy(const float* logits) const {
  int32_t best = -1;
  float best_logit = kNoLogit;
  for (int32_t token = 0; token < vocab_size_; token++) {
    if (logits[token] > best_logit) {  // false for NaN
      best_logit = logits[token];
      best = token;
    }
  }
  return best;
}

// Nothing is cut off, so nothing needs an order: two passes over the logits.
int32_t TokenDraw::DrawFromAll(const float* logits) {
  const int32_t greedy = Greedy(logits);
  if (greedy < 0) return -1;
  const double best = logits[greedy];
  weights_.resize(static_cast<size_t>(vocab_size_));
  double total = 0;
  for (int32_t token = 0; token < vocab_size_; token++) {
    const double weight = std::exp((static_cast<double>(logits[token]) - best) / params_.temperature);
    weights_[static_cast<size_t>(token)] = weight > 0 ? weight : 0;  // NaN becomes 0
    total += weights_[static_cast<size_t>(token)];
  }
  double left = Uniform() * total;
  for (int32_t token = 0; token < vocab_size_; token++) {
    left -= weights_[static_cast<size_t>(token)];
    if (left < 0) return token;
  }
  return greedy;  // rounding used up the last bit of the total
}

// The k best, best first. A heap of k keeps the worst of them on top; almost every logit fails the one
// comparison with it.
void TokenDraw::KeepTopK(const float* logits, size_t k) {
  candidates_.clear();
  float threshold = kNoLogit;
  for (int32_t token = 0; token < vocab_size_; token++) {
    const float logit = logits[token];
    if (!(logit > threshold)) continue;  // NaN and -inf fail too; of equals the lower id, seen first, stays
    if (candidates_.size() == k) {
      std::pop_heap(candidates_.begin(), candidates_.end(), kBetter);
      candidates_.pop_back();
    }
    candidates_.push_back({logit, token});
    std::push_heap(candidates_.begin(), candidates_.end(), kBetter);
    if (candidates_.size() == k) threshold = candidates_.front().logit;
  }
  std::sort_heap(candidates_.begin(), candidates_.end(), kBetter);
}

// All words, the best at the front, the rest in any order. min-p is a bound on the logit alone, and top-p
// would drop what it drops, so words below the bound need no place in the sort; they still count in top-p's
// total, so they stay while top-p is on.
void TokenDraw::KeepAll(const float* logits) {
  candidates_.clear();
  const int32_t greedy = Greedy(logits);
  if (greedy < 0) return;
  const bool top_p_on = params_.top_p < 1.0f;
  const float floor = !top_p_on && params_.min_p > 0.0f ? logits[greedy] + std::log(params_.min_p) : kNoLogit;
  for (int32_t token = 0; token < vocab_size_; token++) {
    if (logits[token] >= floor && logits[token] > kNoLogit) candidates_.push_back({logits[token], token});
  }
  const auto best = std::find_if(candidates_.begin(), candidates_.end(),
                                 [greedy](const Candidate& c) { return c.token == greedy; });
  std::swap(*candidates_.begin(), *best);
}

// Sorts the front of the candidates, in growing pieces, until they hold top_p of the total; returns how many
// do. At least one, as in llama.cpp: "the best tokens, whose accumulated probabilities reach or just
// surpass".
size_t TokenDraw::SortUntilTopP(double total) {
  const size_t count = candidates_.size();
  if (params_.top_k > 0 && params_.top_p >= 1.0f) return count;  // KeepTopK sorted them, nothing to cut
  const double best = candidates_.front().logit;
  const double wanted = static_cast<double>(params_.top_p) * total;
  double sum = 0;
  size_t sorted = 0;
  for (size_t i = 0; i < count; i++) {
    if (i == sorted) {
      sorted = std::min(count, std::max<size_t>(64, sorted * 4));
      const auto from = candidates_.begin() + static_cast<std::ptrdiff_t>(i);
      std::partial_sort(from, candidates_.begin() + static_cast<std::ptrdiff_t>(sorted), candidates_.end(),
                        kBetter);
    }
    sum += std::exp(static_cast<double>(candidates_[i].logit) - best);
    if (params_.top_p < 1.0f && sum >= wanted) return i + 1;
  }
  return count;
}

int32_t TokenDraw::DrawFromSorted(size_t count) {
  const double best = candidates_.front().logit;
  if (params_.min_p > 0.0f) {
    const double floor = best + std::log(static_cast<double>(params_.min_p));
    while (count > 1 && candidates_[count - 1].logit < floor) count--;
  }
  weights_.resize(count);
  double total = 0;
  for (size_t i = 0; i < count; i++) {
    weights_[i] = std::exp((static_cast<double>(candidates_[i].logit) - best) / params_.temperature);
    total += weights_[i];
  }
  double left = Uniform() * total;
  for (size_t i = 0; i < count; i++) {
    left -= weights_[i];
    if (left < 0) return candidates_[i].token;
  }
  return candidates_.front().token;
}

// [0, 1) with 53 bits. The standard leaves its distributions to the implementation; this is the same
// everywhere.
double TokenDraw::Uniform() {
  const uint64_t high = random_() >> 5;
  const uint64_t low = random_() >> 6;
  return static_cast<double>(high * 67108864 + low) / 9007199254740992.0;
}

}  // namespace gpt4all
