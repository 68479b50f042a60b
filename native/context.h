// Context: JavaScript's handle on a context's thread and KV cache.
#pragma once

#include <napi.h>

#include <memory>

#include "context-thread.h"

namespace gpt4all {

class Context : public Napi::ObjectWrap<Context> {
 public:
  static const napi_type_tag kTag;
  static Napi::Object Init(Napi::Env env);

  explicit Context(const Napi::CallbackInfo& info);
  ~Context() override;

 private:
  Napi::Value Eval(const Napi::CallbackInfo& info);
  Napi::Value EndRun(const Napi::CallbackInfo& info);
  Napi::Value Remove(const Napi::CallbackInfo& info);
  Napi::Value Copy(const Napi::CallbackInfo& info);
  Napi::Value Shift(const Napi::CallbackInfo& info);
  Napi::Value Positions(const Napi::CallbackInfo& info);
  Napi::Value Save(const Napi::CallbackInfo& info);
  Napi::Value Restore(const Napi::CallbackInfo& info);
  Napi::Value SetThreads(const Napi::CallbackInfo& info);
  Napi::Value Abort(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // The thread, or ERR_CLOSED.
  ContextThread& Open(Napi::Env env) const;
  llama_seq_id Sequence(const Napi::Value& value) const;
  Napi::Value Promised(Napi::Env env, ContextThread::Kind kind,
                       std::function<std::function<Napi::Value(Napi::Env)>(LlamaContext&)> work);

  // Shared with the closing thread's last task, which frees it after the promise of close() is settled.
  std::shared_ptr<ContextThread> thread_;
  ContextShape shape_;
  int32_t vocab_size_;
  bool closed_ = false;
  std::vector<Napi::Promise::Deferred> closing_;
};

}  // namespace gpt4all
