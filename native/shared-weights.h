// The loaded models of this process. Whoever opens the same file in the same way gets the same llama_model,
// which nothing changes once it is loaded: its memory and the time to load it are paid once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "llama.h"

namespace gpt4all {

// A llama_model and its adapters, which belong to it; freed with the last owner, in whichever environment.
struct SharedWeights {
  explicit SharedWeights(llama_model* model) : model(model) {}
  ~SharedWeights();
  SharedWeights(const SharedWeights&) = delete;
  SharedWeights& operator=(const SharedWeights&) = delete;

  llama_model* const model;
  std::vector<llama_adapter_lora*> adapters;  // complete before anyone else sees them
};

// All that decides what is in memory once it is loaded.
struct WeightsRequest {
  std::string path;
  std::vector<std::string> adapters;
  bool vocab_only = false;
  int32_t gpu_layers = 0;
  std::vector<ggml_backend_dev_t> devices;
  std::vector<float> tensor_split;  // proportions, one a device; empty = by free memory
  bool repack = true;               // copy weights into the layout that the CPU computes with fastest
};

struct AcquiredWeights {
  std::shared_ptr<const SharedWeights> weights;
  bool shared;  // another had loaded them, or was about to
};

// Told by the one that loads how far it is.
using TellWaiting = std::function<void(float)>;
using LoadWeights = std::function<std::shared_ptr<const SharedWeights>(const TellWaiting&)>;

// Those of another who has them, or what `load` gives; null where it gives null. One loads at a time: the
// others wait, told by `progress` how far it is, until `progress` says false (then null). One that is given
// up or fails tells nothing about the next attempt: then one of those who wait loads. On a thread that may
// block.
AcquiredWeights AcquireWeights(const WeightsRequest& request, const std::function<bool(float)>& progress,
                               const LoadWeights& load);

// Makes those who wait ask their `progress` again.
void WakeWaiting();

// Whether they are loaded, or being loaded: AcquireWeights() would load nothing, as things stand. Any thread.
bool AreLoaded(const WeightsRequest& request);

}  // namespace gpt4all
