#include "step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <numeric>

#include "error.h"
#include "rpc-turn.h"
#include "state.h"

namespace gpt4all {

int32_t Batch::Add(llama_token token, llama_pos position, llama_seq_id sequence, bool output) {
  const int32_t i = batch_.n_tokens++;
  batch_.token[i] = token;
  batch_.pos[i] = position;
  batch_.n_seq_id[i] = 1;
  batch_.seq_id[i][0] = sequence;
  batch_.logits[i] = output;
  return i;
}

void Decode(llama_context* context, const Batch& batch) {
  const int32_t status = [&] {
    const std::unique_lock<std::mutex> turn = RpcTurn();
    return llama_decode(context, batch.get());
  }();
  switch (status) {
    case 0:
      return;
    case 1:
      throw Failure("ERR_CONTEXT_FULL", "no room left in the KV cache");
    case 2:
      throw Failure("ERR_ABORTED", "the step was aborted");
    default:
      throw Failure("ERR_DECODE", "llama_decode failed with " + std::to_string(status));
  }
}

namespace {

void DropFrom(llama_context* context, const StepEntry& entry) {
  llama_memory_t memory = llama_get_memory(context);
  if (llama_memory_seq_pos_max(memory, entry.sequence) < entry.position) return;
  if (!llama_memory_seq_rm(memory, entry.sequence, entry.position, -1)) {
    throw Failure("ERR_CANNOT_ROLL_BACK", "this model's memory cannot drop a part of a sequence");
  }
}

// llama.cpp removes from the cache what a failed step has written, except from a recurrent state: that is
// half overwritten, yet claims the new positions. Such a sequence is emptied, so that positions() is right.
void DropHalfMade(llama_context* context, const std::vector<StepEntry>& entries) {
  const llama_model* model = llama_get_model(context);
  if (!llama_model_is_recurrent(model) && !llama_model_is_hybrid(model)) return;
  llama_memory_t memory = llama_get_memory(context);
  for (const StepEntry& entry : entries) {
    if (llama_memory_seq_pos_max(memory, entry.sequence) < entry.position) continue;
    llama_memory_seq_rm(memory, entry.sequence, -1, -1);
  }
}

TopLogprobs Logprobs(const float* logits, int32_t vocab_size, llama_token drawn, int32_t count) {
  const float best = *std::max_element(logits, logits + vocab_size);
  double total = 0;
  for (int32_t i = 0; i < vocab_size; i++) total += std::exp(static_cast<double>(logits[i]) - best);
  const double log_total = std::log(total) + best;
  const auto logprob = [&](llama_token token) { return static_cast<float>(logits[token] - log_total); };

  if (count == 0) return {logprob(drawn), {}, {}};
  std::vector<llama_token> order(static_cast<size_t>(vocab_size));
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min(count, vocab_size);
  std::partial_sort(order.begin(), end, order.end(), [logits](llama_token a, llama_token b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });
  TopLogprobs top{logprob(drawn), {order.begin(), end}, {}};
  for (const llama_token token : top.tokens) top.logprobs.push_back(logprob(token));
  return top;
}

bool HasNumber(const float* logits, int32_t vocab_size) {
  return std::any_of(logits, logits + vocab_size, [](float logit) { return logit > kNoLogit; });
}

// Why no token could be drawn.
Failure WhyNone(const float* logits, int32_t vocab_size) {
  if (HasNumber(logits, vocab_size)) return {"ERR_DECODE", "the bias leaves no token to draw"};
  return {"ERR_LOGITS", "the model's logits are not numbers"};
}

// `first` is the batch index of the entry's first token.
StepResult Collect(llama_context* context, const StepEntry& entry, int32_t first) {
  const int32_t vocab_size = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context)));
  StepResult result;
  bool drawing = entry.sampler != nullptr;
  for (const int32_t output : entry.outputs) {
    float* logits = llama_get_logits_ith(context, first + output);
    if (logits == nullptr) throw Failure("ERR_DECODE", "llama.cpp gave no logits");
    if (entry.logits) result.logits.emplace_back(logits, logits + vocab_size);
    if (entry.sampler == nullptr && !HasNumber(logits, vocab_size)) {
      result.failure = WhyNone(logits, vocab_size);
    }
    if (!drawing) continue;
    llama_token token;
    {
      const std::lock_guard<std::mutex> lock(entry.sampler->mutex);
      token = entry.sampler->draw.Next(logits);
    }
    if (token < 0) {
      result.failure = WhyNone(logits, vocab_size);
      break;
    }
    result.tokens.push_back(token);
    if (entry.logprobs >= 0) result.logprobs.push_back(Logprobs(logits, vocab_size, token, entry.logprobs));
    const auto next = static_cast<size_t>(output) + 1;
    drawing = next < entry.tokens.size() && entry.tokens[next] == token;
  }
  return result;
}

std::vector<StepResult> RunStep(llama_context* context, const StateLayout& layout, Batch& batch,
                                const std::vector<StepEntry>& entries) {
  for (const StepEntry& entry : entries) DropFrom(context, entry);

  batch.Clear();
  std::vector<int32_t> first_index;
  for (const StepEntry& entry : entries) {
    first_index.push_back(batch.get().n_tokens);
    auto output = entry.outputs.begin();
    for (size_t i = 0; i < entry.tokens.size(); i++) {
      const bool wanted = output != entry.outputs.end() && static_cast<size_t>(*output) == i;
      if (wanted) ++output;
      batch.Add(entry.tokens[i], entry.position + static_cast<llama_pos>(i), entry.sequence, wanted);
    }
  }
  try {
    Decode(context, batch);
  } catch (const Failure&) {
    DropHalfMade(context, entries);
    throw;
  }

  std::vector<StepResult> results;
  for (size_t i = 0; i < entries.size(); i++) results.push_back(Collect(context, entries[i], first_index[i]));
  for (size_t i = 0; i < entries.size(); i++) {
    if (results[i].is_spoilt()) EraseState(context, entries[i].sequence, layout);
  }
  return results;
}

// Moves every entry on to the token that it drew; false if one has ended its text, or has drawn none.
bool MoveOn(llama_context* context, std::vector<StepEntry>& entries, const std::vector<StepResult>& results) {
  const llama_vocab* vocab = llama_model_get_vocab(llama_get_model(context));
  for (size_t i = 0; i < entries.size(); i++) {
    if (results[i].failure) return false;
    const llama_token drawn = results[i].tokens.back();
    if (llama_vocab_is_eog(vocab, drawn)) return false;
    entries[i].position += static_cast<llama_pos>(entries[i].tokens.size());
    entries[i].tokens = {drawn};
    entries[i].outputs = {0};
  }
  return true;
}

void Append(StepResult& all, StepResult&& further) {
  const auto append = [](auto& to, auto&& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  append(all.tokens, std::move(further.tokens));
  append(all.logits, std::move(further.logits));
  append(all.logprobs, std::move(further.logprobs));
  all.failure = further.failure;
}

}  // namespace

std::vector<StepResult> RunSteps(llama_context* context, const StateLayout& layout, Batch& batch,
                                 const std::vector<StepEntry>& entries, const Run& run,
                                 const std::function<bool()>& go_on) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) { return Clock::now() - start; };
  const std::chrono::duration<double, std::milli> most(run.milliseconds);
  const Clock::time_point started = Clock::now();
  std::vector<StepResult> results = RunStep(context, layout, batch, entries);
  auto latest = since(started);
  std::vector<StepEntry> moving = entries;
  for (int32_t step = 1; step < run.steps; step++) {
    const Clock::time_point began = Clock::now();
    if (since(started) + latest > most || !go_on() || !MoveOn(context, moving, results)) break;
    try {
      std::vector<StepResult> further = RunStep(context, layout, batch, moving);
      for (size_t i = 0; i < results.size(); i++) Append(results[i], std::move(further[i]));
    } catch (const Failure&) {
      break;  // what was drawn stands; the next step meets the same
    }
    latest = since(began);
  }
  return results;
}

}  // namespace gpt4all
