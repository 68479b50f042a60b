// Tells when other programs compete for the cores that a step computes on. ggml's threads wait for each other
// at every node of a graph, spinning: once one of them is preempted the others burn their time slices, and a
// step that takes 15 ms takes seconds.
#pragma once

#include <chrono>
#include <cstdint>

namespace gpt4all {

class CrowdingWatch {
 public:
  // At the beginning of a step on so many threads; 0 where nobody wants to know.
  void Start(int32_t threads);
  // Cheap enough to be asked at every node of a graph.
  bool Crowded();

 private:
  using Clock = std::chrono::steady_clock;

  int32_t threads_ = 0;
  Clock::time_point started_, next_look_;
  int64_t preemptions_ = 0;  // of this process, when the step began
};

}  // namespace gpt4all
