#include "worker.h"

#include <algorithm>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "checkpoint.h"

#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread/qos.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

namespace gpt4all {

namespace {

void LeaveCoresToOthers() {
#if defined(__linux__)
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 15);
#elif defined(__APPLE__)
  pthread_set_qos_class_self_np(QOS_CLASS_BACKGROUND, 0);
#elif defined(_WIN32)
  SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_LOWEST);
#endif
}

std::function<Napi::Value(Napi::Env)> Failed(const char* code, const std::string& message) {
  return [failure = Failure(code, message)](Napi::Env env) -> Napi::Value { throw ToJs(env, failure); };
}

}  // namespace

Worker::Worker(std::shared_ptr<Environment> environment, bool patient)
    : environment_(std::move(environment)), patient_(patient), thread_(&Worker::Run, this) {
  environment_->Add(this);
}

Worker::~Worker() {
  Stop();
  environment_->Remove(this);
}

Napi::Value Worker::Submit(std::unique_ptr<Worker>& worker, bool patient, const Napi::CallbackInfo& info,
                           Work work) {
  const Napi::Env env = info.Env();
  try {
    if (!worker) worker = std::make_unique<Worker>(Environment::Of(env), patient);
  } catch (const std::system_error& error) {
    throw MakeError(env, "ERR_MEMORY", std::string("no thread for what takes long: ") + error.what());
  }
  return worker->Submit(env, info.This().As<Napi::Object>(), std::move(work));
}

Napi::Value Worker::Submit(Napi::Env env, Napi::Object owner, Work work) {
  const auto job = std::shared_ptr<Job>(
      new Job{std::move(work), Napi::Promise::Deferred::New(env), Napi::Persistent(owner)});
  job->owner.SuppressDestruct();  // it is given back on the JavaScript thread, or with the environment
  const Napi::Promise promise = job->deferred.Promise();
  Napi::Object handle = Napi::Object::New(env);
  handle.Set("promise", promise);
  handle.Set("cancel", Napi::Function::New(env, [this, job](const Napi::CallbackInfo&) {
               if (!job->owner.IsEmpty()) Cancel(job);  // the owner of the job owns this
             }));
  environment_->Hold();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!closing_) {
      queue_.push_back(job);
      wake_.notify_one();
      return handle;
    }
  }
  Settle(job, {});
  return handle;
}

void Worker::Cancel(const std::shared_ptr<Job>& job) {
  job->stop = true;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto waiting = std::find(queue_.begin(), queue_.end(), job);
    if (waiting == queue_.end()) return;
    queue_.erase(waiting);
  }
  job->work = nullptr;  // it may hold a long text
  Settle(job, Failed("ERR_ABORTED", "it was interrupted"));
}

void Worker::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    if (running_) running_->stop = true;
  }
  wake_.notify_one();
  const std::lock_guard<std::mutex> lock(join_);
  if (thread_.joinable()) thread_.join();
}

void Worker::Run() {
  if (patient_) LeaveCoresToOthers();
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    running_ = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    auto value = Compute(*running_);
    lock.lock();
    Settle(std::move(running_), std::move(value));
    running_.reset();
  }
}

std::function<Napi::Value(Napi::Env)> Worker::Compute(Job& job) const {
  if (closing_) return {};
  const CheckpointScope scope(job.stop);
  try {
    Checkpoint();
    return job.work();
  } catch (const Failure& failure) {
    if (closing_) return {};
    return Failed(failure.code(), failure.what());
  } catch (const std::bad_alloc&) {
    return Failed("ERR_MEMORY", "not enough memory");
  } catch (const std::exception& error) {
    return Failed("ERR_DECODE", error.what());
  }
}

// No value = the owner was closed.
void Worker::Settle(std::shared_ptr<Job> job, std::function<Napi::Value(Napi::Env)> value) {
  environment_->Post(
      [environment = environment_, job = std::move(job), value = std::move(value)](Napi::Env env) {
        environment->Drop();
        job->owner.Reset();
        try {
          if (!value) throw MakeError(env, "ERR_CLOSED", "The model or the template is closed.");
          job->deferred.Resolve(value(env));
        } catch (const Napi::Error& error) {
          job->deferred.Reject(error.Value());
        }
      });
}

}  // namespace gpt4all
