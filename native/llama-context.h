// A llama_context with what its steps need: thread pools, a batch, the layout of its saved states. Made, used
// and destroyed on the context's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "llama.h"
#include "model.h"
#include "state-layout.h"
#include "step.h"

namespace gpt4all {

struct ContextShape {
  uint32_t context_size;  // per sequence
  uint32_t sequences;
  uint32_t batch_size;
  uint32_t micro_batch_size;
  uint32_t max_outputs;
  int32_t threads;
  int32_t batch_threads;
  uint32_t poll;
  llama_flash_attn_type flash_attention;
  ggml_type key_type, value_type;     // of the KV cache
  std::vector<float> adapter_scales;  // one for each adapter of the model
  bool embeds = false;                // vectors of whole sequences, which share `context_size` cells
  enum llama_pooling_type pooling = LLAMA_POOLING_TYPE_UNSPECIFIED;  // of what embeds; as the file says
  int64_t memory_bytes = 0;                                          // of all its buffers, for V8
};

// How many threads compute the next steps. With `watch`, a step whose threads keep losing their cores to
// other programs fails with ERR_CROWDED instead of waiting for them.
struct ThreadPlan {
  int16_t threads;
  int16_t batch_threads;
  int32_t watch;
};

class LlamaContext {
 public:
  // `context` is null where llama.cpp could not make one.
  LlamaContext(const Weights& weights, const ContextShape& shape, ggml_abort_callback abort,
               void* abort_data);
  ~LlamaContext();
  LlamaContext(const LlamaContext&) = delete;
  LlamaContext& operator=(const LlamaContext&) = delete;

  void SetThreads(const ThreadPlan& plan);

  llama_context* context = nullptr;
  std::unique_ptr<StateLayout> state_layout;  // null in a context that embeds
  std::unique_ptr<Batch> batch;

 private:
  ggml_threadpool* Pool(int32_t size);

  std::map<int32_t, ggml_threadpool*> pools_;  // by size
  int32_t threads_ = 0, batch_threads_ = 0;    // as llama.cpp has them
  uint32_t poll_ = 0;
  bool embeds_ = false;
};

}  // namespace gpt4all
