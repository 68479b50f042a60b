// How far llama.cpp has come with loading a file, by what it logs: a load may follow another of the same
// file, in another process, and never be where that one has not been.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace gpt4all {

class LoadStages {
 public:
  // A stage is over where one of these lines comes; behind the last one the weights follow.
  static constexpr int32_t kCount = 3;

  // `follows`: it begins a stage only once another load has finished it. `over` hears of each, on the thread
  // that loads.
  LoadStages(bool follows, std::function<void(int32_t)> over);

  // On the thread that loads, before it begins and with each line of the log. They wait, and throw Failure
  // (ERR_ABORTED) where Stop() ends that.
  void Begin();
  void Note(const std::string& line);

  // On any thread: another load has finished that many; kCount + 1 = it is loaded.
  void Allow(int32_t stages);
  void Stop();

 private:
  void Wait();

  const bool follows_;
  const std::function<void(int32_t)> over_;
  int32_t stage_ = 0;  // the thread's
  std::mutex mutex_;   // guards the rest
  std::condition_variable wake_;
  int32_t allowed_ = 0;
  bool stopped_ = false;
};

}  // namespace gpt4all
