// Context: JavaScript's handle on a context's thread and KV cache.
#pragma once

#include <napi.h>

#include "context-handle.h"

namespace gpt4all {

class Context : public ContextHandle<Context> {
 public:
  static const napi_type_tag kTag;
  static Napi::Object Init(Napi::Env env);

  explicit Context(const Napi::CallbackInfo& info);

 private:
  Napi::Value Eval(const Napi::CallbackInfo& info);
  Napi::Value EndRun(const Napi::CallbackInfo& info);
  Napi::Value Remove(const Napi::CallbackInfo& info);
  Napi::Value Copy(const Napi::CallbackInfo& info);
  Napi::Value Shift(const Napi::CallbackInfo& info);
  Napi::Value Positions(const Napi::CallbackInfo& info);
  Napi::Value Save(const Napi::CallbackInfo& info);
  Napi::Value Restore(const Napi::CallbackInfo& info);

  llama_seq_id Sequence(const Napi::Value& value) const;

  ContextShape shape_;
  int32_t vocab_size_;
};

}  // namespace gpt4all
