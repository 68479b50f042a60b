// The inference thread: it alone touches its llama_context. Commands come through a queue and run in order;
// their completions are posted to the event loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "crowding.h"
#include "environment.h"
#include "error.h"
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
};

// How many threads compute the next steps. With `watch`, a step whose threads keep losing their cores to
// other programs fails with ERR_CROWDED instead of waiting for them.
struct ThreadPlan {
  int16_t threads;
  int16_t batch_threads;
  int32_t watch;
};

// Thread pools, batch and llama_context, made and destroyed on the inference thread.
class Session;

class Inference : public Stoppable {
 public:
  // Runs on the inference thread; what it returns runs on the JavaScript thread. May throw Failure.
  using Work = std::function<Environment::Task(Session&)>;
  // Runs on the JavaScript thread when the work failed or never ran.
  using OnFailure = std::function<void(Napi::Env, const Failure&)>;

  Inference(std::shared_ptr<Environment> environment, std::shared_ptr<Weights> weights,
            const ContextShape& shape);
  ~Inference() override;

  // What a command is: an abort gives up steps. All else that the context is asked for belongs to
  // conversations that nobody has given up, and takes less time than what an abort may cost them.
  enum class Kind { kStep, kUpkeep };

  // JavaScript thread. The first command opens the llama_context.
  void Submit(Kind kind, Work work, OnFailure on_failure);
  void SetThreads(ThreadPlan plan) { threads_ = plan; }
  // Gives up the steps that were asked for so far.
  void Abort();
  // A run of steps under way, or in the queue, ends with the step that it is at.
  void EndRun();
  // The context's thread, in a command: whether a run may go on to a further step.
  bool GoesOn();
  // The same: throws ERR_CROWDED where a run ended for that, and has not told so.
  void TellCrowdedRun();
  // Any thread: aborts, ends the thread and joins it. Commands left in the queue fail with ERR_CLOSED.
  void Stop() override;
  // JavaScript thread: as Stop(), but `done` runs on the event loop once the thread has ended by itself.
  void Close(Environment::Task done);

  const ContextShape shape;

 private:
  struct Command {
    Kind kind;
    uint64_t serial;
    Work work;
    OnFailure on_failure;
  };

  // What the thread does with commands: runs them, runs no further ones, has freed its session.
  enum class State { kServing, kEnding, kGone };

  void Run();
  void Answer(Environment::Task task);
  void Execute(Command& command, std::unique_ptr<Session>& session, LogScope& log);
  Failure WhyAborted(const Failure& failure, uint64_t serial) const;
  bool Aborted(uint64_t serial) const { return closing_ || serial <= abort_up_to_; }
  // So many steps will never be asked for.
  static constexpr uint64_t kNoStep = UINT64_MAX;
  static bool AbortCallback(void* inference);

  const std::shared_ptr<Environment> environment_;
  const std::shared_ptr<Weights> weights_;
  std::mutex mutex_;  // guards queue_, on_end_ and state_
  std::condition_variable wake_;
  std::deque<Command> queue_;
  Environment::Task on_end_;
  State state_ = State::kServing;
  std::atomic<bool> closing_{false};
  std::atomic<uint64_t> abort_up_to_{0};
  std::atomic<uint64_t> end_runs_up_to_{0};
  std::atomic<uint64_t> running_{kNoStep};  // serial of the step under way
  std::atomic<ThreadPlan> threads_;         // as last asked for
  CrowdingWatch crowding_;                  // the thread's, as is
  int32_t watched_threads_ = 0;             // the thread's; 0 = not watched
  LogScope* log_ = nullptr;                 // the thread's
  bool crowded_run_ = false;                // the last run was cut for that; untold yet
  bool crowded_ = false;                    // why the step under way was given up
  uint64_t last_serial_ = 0;                // JavaScript thread's
  std::mutex join_;
  std::thread thread_;
};

class Session {
 public:
  Session(const Weights& weights, const ContextShape& shape, ggml_abort_callback abort, void* abort_data);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void SetThreads(const ThreadPlan& plan);

  llama_context* context = nullptr;
  std::unique_ptr<StateLayout> state_layout;
  std::unique_ptr<Batch> batch;

 private:
  ggml_threadpool* Pool(int32_t size);

  std::map<int32_t, ggml_threadpool*> pools_;  // by size
  int32_t threads_ = 0, batch_threads_ = 0;    // as the context was told
  uint32_t poll_ = 0;
};

}  // namespace gpt4all
