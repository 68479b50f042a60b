#include "load-stages.h"

#include <algorithm>
#include <utility>

#include "error.h"

namespace gpt4all {

namespace {

// The header is read; the tokens are read; the vocabulary is made. If llama.cpp words these lines otherwise,
// no stage ends, and a load that follows waits for the whole other load.
constexpr const char* kLines[LoadStages::kCount] = {
    "print_info: file format",
    "init_tokenizer: initializing tokenizer",
    "load_tensors: loading model tensors",
};

}  // namespace

LoadStages::LoadStages(bool follows, std::function<void(int32_t)> over)
    : follows_(follows), over_(std::move(over)) {
}

void LoadStages::Begin() {
  stage_ = 0;
  Wait();
}

void LoadStages::Note(const std::string& line) {
  if (stage_ == kCount || line.rfind(kLines[stage_], 0) != 0) return;
  stage_++;
  if (over_) over_(stage_);
  Wait();
}

void LoadStages::Wait() {
  if (!follows_) return;
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return stopped_ || allowed_ > stage_; });
  if (stopped_) throw Failure("ERR_ABORTED", "loading was cancelled");
}

void LoadStages::Allow(int32_t stages) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    allowed_ = std::max(allowed_, stages);
  }
  wake_.notify_all();
}

void LoadStages::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
}

}  // namespace gpt4all
