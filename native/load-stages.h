// How far llama.cpp has come with loading a file, judged by its log: a load may follow another load of the
// same file in another process, and never be further than that.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace gpt4all {

class LoadStages {
 public:
  // A stage is over when one of these lines comes; the weights follow after the last one.
  static constexpr int32_t kCount = 3;

  // `follows`: a stage begins only once another load has finished it. `over` is called after each stage, on
  // the thread that loads.
  LoadStages(bool follows, std::function<void(int32_t)> over);

  // On the thread that loads, before it begins and with each line of the log. Both wait, and throw Failure
  // (ERR_ABORTED) where Stop() ends that.
  void Begin();
  void Note(const std::string& line);

  // On any thread: the other load has finished this many stages; kCount + 1 = it is done.
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
