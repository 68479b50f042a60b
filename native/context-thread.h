// The thread that computes for a context, and the only one that touches its llama_context. Commands come
// through a queue and run in order; their completions are posted to the event loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "environment.h"
#include "error.h"
#include "llama-context.h"
#include "model.h"
#include "tuning/crowding.h"

namespace gpt4all {

class ContextThread : public Stoppable {
 public:
  // Runs on the context's thread; what it returns runs on the JavaScript thread. May throw Failure.
  using Work = std::function<Environment::Task(LlamaContext&)>;
  // Runs on the JavaScript thread when the work failed or never ran.
  using OnFailure = std::function<void(Napi::Env, const Failure&)>;

  ContextThread(std::shared_ptr<Environment> environment, std::shared_ptr<Weights> weights,
                const ContextShape& shape);
  ~ContextThread() override;

  // An abort gives up steps only. All other commands belong to conversations that go on, and are quick.
  enum class Kind { kStep, kUpkeep };

  // JavaScript thread. The first command opens the llama_context.
  void Submit(Kind kind, Work work, OnFailure on_failure);
  // The same, but the JavaScript thread waits, and runs what the work returned or `on_failure` before it goes
  // on.
  void Run(Napi::Env env, Kind kind, Work work, OnFailure on_failure);
  void SetThreads(ThreadPlan plan) { threads_ = plan; }
  // Gives up the steps that were asked for so far.
  void Abort();
  // A run of steps under way, or in the queue, ends with the step that it is at.
  void EndRun();
  // The context's thread, in a command: whether a run may go on to another step.
  bool MayGoOn();
  // The context's thread, in a command: throws ERR_CROWDED once after a run that crowding cut short.
  void ReportCrowdedRun();
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
    // Who waits for the answer; null: it is posted to the event loop.
    std::shared_ptr<std::promise<Environment::Task>> waiting;
  };

  // The thread runs commands, runs no more of them, has freed its llama_context.
  enum class State { kServing, kEnding, kGone };

  bool Enqueue(Command command);
  void Serve();
  void Answer(Environment::Task task);
  void Execute(Command& command, std::unique_ptr<LlamaContext>& llama, LogScope& log);
  Failure WhyAborted(const Failure& failure, uint64_t serial) const;
  bool Aborted(uint64_t serial) const { return closing_ || serial <= abort_up_to_; }
  // A serial number that no step ever has.
  static constexpr uint64_t kNoStep = UINT64_MAX;
  static bool AbortCallback(void* self);

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
  CrowdingWatch crowding_;                  // the thread's
  int32_t watched_threads_ = 0;             // the thread's; 0 = not watched
  LogScope* log_ = nullptr;                 // the thread's
  bool crowded_run_ = false;                // the last run was cut short for that; not reported yet
  bool crowded_ = false;                    // why the step under way is given up
  uint64_t last_serial_ = 0;                // JavaScript thread's
  std::mutex join_;
  std::thread thread_;
};

}  // namespace gpt4all
