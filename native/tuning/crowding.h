// Notices when other programs compete for the cores that a step computes on. ggml's threads wait for each
// other at every node of a graph, spinning: once one of them is preempted the others burn their time slices,
// and a step of 15 ms takes seconds.
#pragma once

#include <chrono>
#include <cstdint>

namespace gpt4all {

class CrowdingWatch {
 public:
#ifdef GPT4ALL_TUNING
  // At the beginning of a step on `threads` threads; 0 = do not watch it.
  void Start(int32_t threads);
  // Cheap enough for every node of a graph.
  bool Crowded();

 private:
  using Clock = std::chrono::steady_clock;

  int32_t threads_ = 0;
  Clock::time_point started_, next_look_;
  int64_t preemptions_ = 0;  // of this process, when the step began
#else
  void Start(int32_t) {}
  bool Crowded() { return false; }
#endif
};

}  // namespace gpt4all
