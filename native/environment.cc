#include "environment.h"

#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include "child-process.h"
#include "error.h"

namespace gpt4all {

namespace {

// process.exit() runs no clean-up hooks on the main thread; it calls exit(), which destroys llama.cpp's
// statics under whatever thread still uses them. So every thread of ours is known process-wide too, and an
// atexit handler, registered after those statics were made and hence run before they go, stops what is left.
// The registry is never destroyed: a worker thread may still use it during exit().
struct Registry {
  std::mutex mutex;
  std::set<std::pair<const Environment*, Stoppable*>> entries;
};

Registry& GetRegistry() {
  static Registry* registry = new Registry();
  return *registry;
}

std::vector<Stoppable*> Running(const Environment* owner) {
  Registry& registry = GetRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  std::vector<Stoppable*> running;
  for (const auto& [environment, stoppable] : registry.entries) {
    if (owner == nullptr || environment == owner) running.push_back(stoppable);
  }
  return running;
}

void StopEverything() {
  for (Stoppable* stoppable : Running(nullptr)) stoppable->Stop();
}

// `env` is null when the environment is going away: then the task is only freed.
void RunTask(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Environment::Task> task(static_cast<Environment::Task*>(data));
  if (env == nullptr) return;
  try {
    (*task)(Napi::Env(env));
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {  // below us is C
    Napi::Error::New(env, error.what()).ThrowAsJavaScriptException();
  }
}

}  // namespace

void Environment::Install(Napi::Env env) {
  static const bool once = (std::atexit(StopEverything), true);
  (void)once;

  std::shared_ptr<Environment> self(new Environment());
  self->env_ = env;
  const auto name = Napi::String::New(env, "gpt4all");
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr,
                                                             nullptr, nullptr, RunTask, &self->function_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, self->function_);
  env.SetInstanceData(new std::shared_ptr<Environment>(self));
  // Hooks run in reverse order: this one, registered after the thread-safe function's own, runs before it.
  env.AddCleanupHook([](Environment* environment) { environment->Close(); }, self.get());
  self->StopOnExit();
}

// exit() destroys statics that llama.cpp made during its first graph before it runs our atexit handler, and a
// step under way would crash on them. So the threads stop as soon as JavaScript reports the end.
void Environment::StopOnExit() {
  const Napi::Value process = env_.Global().Get("process");
  if (!process.IsObject() || !process.As<Napi::Object>().Get("once").IsFunction()) return;
  const auto once = process.As<Napi::Object>().Get("once").As<Napi::Function>();
  const auto stop = [](const Napi::CallbackInfo& info) {
    const std::shared_ptr<Environment> self = Of(info.Env());
    for (Stoppable* stoppable : Running(self.get())) stoppable->Stop();
  };
  once.Call(process, {Napi::String::New(env_, "exit"), Napi::Function::New(env_, stop)});
}

std::shared_ptr<Environment> Environment::Of(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<Environment>>();
}

Environment::~Environment() = default;

void Environment::Close() {
  for (Stoppable* stoppable : Running(this)) stoppable->Stop();
  for (const int pid : children_) EndChild(pid);
  const std::lock_guard<std::mutex> lock(mutex_);
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
}

void Environment::Post(Task task) {
  auto data = std::make_unique<Task>(std::move(task));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (function_ == nullptr) return;
  if (napi_call_threadsafe_function(function_, data.get(), napi_tsfn_nonblocking) == napi_ok) data.release();
}

void Environment::Hold() {
  if (held_++ == 0 && function_ != nullptr) napi_ref_threadsafe_function(env_, function_);
}

void Environment::Drop() {
  if (--held_ == 0 && function_ != nullptr) napi_unref_threadsafe_function(env_, function_);
}

void Environment::HoldChild(int pid) {
  children_.insert(pid);
}

void Environment::DropChild(int pid) {
  children_.erase(pid);
}

void Environment::Add(Stoppable* stoppable) {
  Registry& registry = GetRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  registry.entries.emplace(this, stoppable);
}

void Environment::Remove(Stoppable* stoppable) {
  Registry& registry = GetRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  registry.entries.erase({this, stoppable});
}

}  // namespace gpt4all
