// One step: what is evaluated, and what comes of it. Plain data and computation on the context's thread, no
// N-API.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "failure.h"
#include "llama.h"
#include "state-layout.h"
#include "token-draw.h"

namespace gpt4all {

struct StepEntry {
  llama_seq_id sequence;
  llama_pos position;
  std::vector<llama_token> tokens;
  std::shared_ptr<SharedDraw> sampler;  // may be null
  std::vector<int32_t> outputs;         // ascending indices into tokens
  bool logits = false;
  int32_t logprobs = -1;  // number of likely tokens to return beside the drawn one; -1 = no log probabilities
};

// How far a step continues without JavaScript: each entry with the token that it drew.
struct Run {
  int32_t steps = 1;        // at most
  double milliseconds = 0;  // no further step that would end later
};

struct TopLogprobs {
  float logprob;  // of the drawn token
  std::vector<llama_token> tokens;
  std::vector<float> logprobs;
};

struct StepResult {
  std::vector<llama_token> tokens;
  std::vector<std::vector<float>> logits;
  std::vector<TopLogprobs> logprobs;
  std::optional<Failure> failure;  // why no more was drawn

  // The logits after `tokens` were not numbers, and the sequence is empty.
  bool is_spoilt() const { return failure && failure->code() == std::string_view("ERR_LOGITS"); }
};

// A llama_batch that grows to what the steps need and is kept between them.
class Batch {
 public:
  explicit Batch(int32_t capacity) : batch_(llama_batch_init(capacity, 0, 1)) {}
  ~Batch() { llama_batch_free(batch_); }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void Clear() { batch_.n_tokens = 0; }
  // Returns the index of the token within the batch.
  int32_t Add(llama_token token, llama_pos position, llama_seq_id sequence, bool output);
  llama_batch get() const { return batch_; }

 private:
  llama_batch batch_;
};

// llama_decode(), which encodes where the model has no memory. Throws Failure.
void Decode(llama_context* context, const Batch& batch);

// Drops, decodes, samples (NativeContext.eval of src/native/contract.ts). Throws Failure; what fails after
// the first step only ends the run. `go_on` is asked before each further step.
std::vector<StepResult> RunSteps(llama_context* context, const StateLayout& layout, Batch& batch,
                                 const std::vector<StepEntry>& entries, const Run& run,
                                 const std::function<bool()>& go_on);

}  // namespace gpt4all
