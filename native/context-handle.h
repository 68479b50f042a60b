// What JavaScript's handles on a context's thread have in common: how they are made, asked and closed.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "args.h"
#include "context-thread.h"
#include "hand-over.h"

namespace gpt4all {

inline std::shared_ptr<ContextThread> StartThread(Napi::Env env, const std::shared_ptr<Weights>& weights,
                                                  const ContextShape& shape) {
  try {
    return std::make_shared<ContextThread>(Environment::Of(env), weights, shape);
  } catch (const std::system_error& error) {
    throw MakeError(env, "ERR_MEMORY", std::string("no thread for a context: ") + error.what());
  }
}

// Opens the context of `fresh.thread`, lets `learn` look at it on its thread, and resolves with the object
// that `constructor` makes of `fresh`.
template <typename Fresh>
Napi::Value Constructed(Napi::Env env, const std::shared_ptr<Napi::FunctionReference>& constructor,
                        Fresh fresh, std::function<void(const LlamaContext&, Fresh&)> learn) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  // The context's thread destroys the commands below, and may not destroy itself: so they own it through a
  // cell that is empty by then. Its answer owns it instead, whether or not it ran.
  const auto cell = std::make_shared<std::shared_ptr<Fresh>>(std::make_shared<Fresh>(std::move(fresh)));
  const std::shared_ptr<ContextThread> thread = (*cell)->thread;
  thread->Submit(
      ContextThread::Kind::kUpkeep,
      [cell, deferred, constructor, learn = std::move(learn)](LlamaContext& llama) -> Environment::Task {
        learn(llama, **cell);
        return [fresh = std::move(*cell), deferred, constructor](Napi::Env env) {
          Fulfil(env, deferred, [&] { return HandOver<Fresh>::Construct(*constructor, *fresh); });
        };
      },
      [cell, deferred](Napi::Env env, const Failure& failure) {
        cell->reset();
        deferred.Reject(ToJs(env, failure).Value());
      });
  return deferred.Promise();
}

template <typename T>
class ContextHandle : public Napi::ObjectWrap<T> {
 public:
  // Safety net for a context that was never closed: joins its thread, which ends at the next node of a graph.
  ~ContextHandle() override {
    if (thread_) Napi::MemoryManagement::AdjustExternalMemory(this->Env(), -thread_->shape.memory_bytes);
  }

 protected:
  using Napi::ObjectWrap<T>::ObjectWrap;

  // In the constructor.
  void Adopt(Napi::Env env, std::shared_ptr<ContextThread> thread) {
    thread_ = std::move(thread);
    // A forgotten context weighs little in JavaScript: V8 collects it in time only if it knows of the rest.
    Napi::MemoryManagement::AdjustExternalMemory(env, thread_->shape.memory_bytes);
  }

  // The thread, or ERR_CLOSED.
  ContextThread& Open(Napi::Env env) const {
    if (closed_) throw MakeError(env, "ERR_CLOSED", "The context is closed.");
    return *thread_;
  }

  // Null once the context is closed and its thread has ended.
  ContextThread* thread() const { return thread_.get(); }
  bool is_closed() const { return closed_; }

  // Work on the context's thread that ends in a promise: it returns a function that makes the value. The
  // context is kept from the garbage collector meanwhile, which would abort the step.
  Napi::Value Promised(Napi::Env env, ContextThread::Kind kind,
                       std::function<std::function<Napi::Value(Napi::Env)>(LlamaContext&)> work) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    ContextThread& thread = Open(env);
    this->Ref();
    thread.Submit(
        kind,
        [this, deferred, work = std::move(work)](LlamaContext& llama) -> Environment::Task {
          return [this, deferred, value = work(llama)](Napi::Env env) {
            this->Unref();
            Fulfil(env, deferred, [&] { return value(env); });
          };
        },
        [this, deferred](Napi::Env env, const Failure& failure) {
          this->Unref();
          deferred.Reject(ToJs(env, failure).Value());
        });
    return deferred.Promise();
  }

  // As Promised(), but the JavaScript thread waits for the value. Throws what the promise would reject with.
  Napi::Value Awaited(Napi::Env env, ContextThread::Kind kind,
                      std::function<std::function<Napi::Value(Napi::Env)>(LlamaContext&)> work) {
    Napi::Value value;
    Open(env).Run(
        env, kind,
        [&value, work = std::move(work)](LlamaContext& llama) -> Environment::Task {
          return [&value, make = work(llama)](Napi::Env env) { value = make(env); };
        },
        [](Napi::Env env, const Failure& failure) { throw ToJs(env, failure); });
    return value;
  }

  Napi::Value SetThreads(const Napi::CallbackInfo& info) {
    const int32_t threads = Integer(info[0], "threads", 1, GGML_MAX_N_THREADS);
    const int32_t batch_threads = Integer(info[1], "batchThreads", 1, GGML_MAX_N_THREADS);
    const bool watch = Boolean(info[2], "watch");
    Open(info.Env())
        .SetThreads({static_cast<int16_t>(threads), static_cast<int16_t>(batch_threads), watch ? 1 : 0});
    return info.Env().Undefined();
  }

  Napi::Value Abort(const Napi::CallbackInfo& info) {
    if (!closed_) thread_->Abort();
    return info.Env().Undefined();
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto deferred = Napi::Promise::Deferred::New(env);
    if (!thread_) {
      deferred.Resolve(env.Undefined());
      return deferred.Promise();
    }
    closing_.push_back(deferred);
    if (!closed_) {
      closed_ = true;
      this->Ref();  // not collected while its thread ends
      thread_->Close([this](Napi::Env env) {
        Napi::MemoryManagement::AdjustExternalMemory(env, -thread_->shape.memory_bytes);
        thread_.reset();
        for (const auto& waiting : closing_) waiting.Resolve(env.Undefined());
        closing_.clear();
        this->Unref();
      });
    }
    return deferred.Promise();
  }

 private:
  // Shared with the closing thread's last task, which frees it after the promise of close() is settled.
  std::shared_ptr<ContextThread> thread_;
  bool closed_ = false;
  std::vector<Napi::Promise::Deferred> closing_;
};

}  // namespace gpt4all
