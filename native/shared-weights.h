// The loaded models of this process. All that open the same file in the same way get the same llama_model,
// which does not change once it is loaded: its memory and the time to load it are paid once.
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
  std::vector<llama_adapter_lora*> adapters;  // complete before other owners see them
};

// What decides which bytes are in memory once a model is loaded.
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
  bool shared;  // another owner had loaded them, or was loading them
};

// Called by the load with how far it is.
using ReportToWaiting = std::function<void(float)>;
using LoadWeights = std::function<std::shared_ptr<const SharedWeights>(const ReportToWaiting&)>;

// The weights that another owner has, or what `load` returns; null where it returns null. One caller loads at
// a time: the others wait, and their `progress` is called with how far it is, until it returns false (then
// null). A load that is given up or fails says nothing about the next attempt: then one of the waiting
// callers loads. To be called on a thread that may block.
AcquiredWeights AcquireWeights(const WeightsRequest& request, const std::function<bool(float)>& progress,
                               const LoadWeights& load);

// Makes the waiting callers ask their `progress` again.
void WakeWaiting();

// Whether the weights are loaded or being loaded, so that AcquireWeights() would load nothing now. Any
// thread.
bool AreLoaded(const WeightsRequest& request);

}  // namespace gpt4all
