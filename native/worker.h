// A thread for long computations of the library's own: they run one after another, and each can be given up.
// Node's pool is no place for them: four of them would hold up all of the program's file accesses and name
// look-ups.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "environment.h"
#include "error.h"

namespace gpt4all {

class Worker : public Stoppable {
 public:
  // Runs on the thread, under a CheckpointScope; what it returns makes the value on the JavaScript thread.
  // May throw Failure.
  using Work = std::function<std::function<Napi::Value(Napi::Env)>()>;

  // `patient`: the thread leaves the cores to other threads while these want them.
  Worker(std::shared_ptr<Environment> environment, bool patient);
  ~Worker() override;

  // JavaScript thread: makes the NativeJob of src/native/contract.ts for a method of an object, which is kept
  // alive until the job is settled. Starts the `worker` if there is none yet.
  static Napi::Value Submit(std::unique_ptr<Worker>& worker, bool patient, const Napi::CallbackInfo& info,
                            Work work);
  Napi::Value Submit(Napi::Env env, Napi::Object owner, Work work);
  // Any thread: gives up all jobs, ends the thread and joins it. Jobs that are not done fail with ERR_CLOSED.
  void Stop() override;

 private:
  struct Job {
    Work work;
    Napi::Promise::Deferred deferred;
    Napi::ObjectReference owner;
    std::atomic<bool> stop{false};
  };

  // JavaScript thread: a waiting job leaves the queue at once, a running one is interrupted.
  void Cancel(const std::shared_ptr<Job>& job);
  void Run();
  std::function<Napi::Value(Napi::Env)> Compute(Job& job) const;
  void Settle(std::shared_ptr<Job> job, std::function<Napi::Value(Napi::Env)> value);

  const std::shared_ptr<Environment> environment_;
  const bool patient_;
  std::mutex mutex_;  // guards queue_, running_ and closing_
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::shared_ptr<Job> running_;
  std::atomic<bool> closing_{false};
  std::mutex join_;
  std::thread thread_;
};

}  // namespace gpt4all
