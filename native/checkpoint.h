// Places where long computations, llama.cpp's among them (vendor/patches), check whether to go on.
#pragma once

#include <atomic>

namespace gpt4all {

// While a scope exists, Checkpoint() on its thread throws Failure (ERR_ABORTED) once `stop` is set.
class CheckpointScope {
 public:
  explicit CheckpointScope(const std::atomic<bool>& stop);
  ~CheckpointScope();
  CheckpointScope(const CheckpointScope&) = delete;
  CheckpointScope& operator=(const CheckpointScope&) = delete;

 private:
  const std::atomic<bool>* const outer_;
};

void Checkpoint();

}  // namespace gpt4all

// Called by llama.cpp (vendor/patches/0003-...).
void gpt4all_checkpoint();
