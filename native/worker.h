// A thread for computations of the library's own that may take long: one after another, each can be given up.
// Node's pool is no place for them: four of them would hold up every file and every name that the program
// waits for.
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

  // `patient`: it leaves the cores to other threads while these want them.
  Worker(std::shared_ptr<Environment> environment, bool patient);
  ~Worker() override;

  // JavaScript thread: NativeJob of src/native/contract.ts for the method of an object, which is held until
  // the job is settled. Starts the `worker` where there is none yet.
  static Napi::Value Submit(std::unique_ptr<Worker>& worker, bool patient, const Napi::CallbackInfo& info,
                            Work work);
  Napi::Value Submit(Napi::Env env, Napi::Object owner, Work work);
  // Any thread: gives everything up, ends the thread and joins it. Jobs that are not done fail with
  // ERR_CLOSED.
  void Stop() override;

 private:
  struct Job {
    Work work;
    Napi::Promise::Deferred deferred;
    Napi::ObjectReference owner;
    std::atomic<bool> stop{false};
  };

  // JavaScript thread: a job that waits in line leaves it at once, one that runs is interrupted.
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
