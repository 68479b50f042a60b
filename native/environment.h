// What the addon keeps per JavaScript environment (the main thread and every worker thread have their own):
// the one way back to its event loop, and the list of our threads that must end before it does.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <set>

namespace gpt4all {

// Something with a thread of its own. Stop() asks it to end and waits until it has: idempotent, any thread.
class Stoppable {
 public:
  virtual ~Stoppable() = default;
  virtual void Stop() = 0;
};

class Environment {
 public:
  using Task = std::function<void(Napi::Env)>;

  // Once per environment, when the addon is loaded into it.
  static void Install(Napi::Env env);
  static std::shared_ptr<Environment> Of(Napi::Env env);

  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Any thread: runs `task` on the JavaScript thread, in order. Once the environment is going away tasks are
  // dropped unrun.
  void Post(Task task);

  // JavaScript thread: an answer is owed, so the event loop must stay alive / the answer was given. An
  // unreferenced function would let the process end in the middle of an awaited answer.
  void Hold();
  void Drop();

  // JavaScript thread: a child process that ends with this environment, until it is dropped. See
  // child-process.h.
  void HoldChild(int pid);
  void DropChild(int pid);

  // A thread to stop when the environment or the process ends. Kept alive by the caller until Remove().
  void Add(Stoppable* stoppable);
  void Remove(Stoppable* stoppable);

 private:
  Environment() = default;
  void StopOnExit();
  void Close();

  Napi::Env env_ = nullptr;
  std::mutex mutex_;  // guards function_ against Post() from other threads while the environment closes
  napi_threadsafe_function function_ = nullptr;
  int held_ = 0;
  std::set<int> children_;
};

}  // namespace gpt4all
