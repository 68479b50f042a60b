// Embedder: JavaScript's handle on a context that makes vectors.
#pragma once

#include <napi.h>

#include "context-handle.h"

namespace gpt4all {

class Embedder : public ContextHandle<Embedder> {
 public:
  static const napi_type_tag kTag;
  static Napi::Object Init(Napi::Env env);

  explicit Embedder(const Napi::CallbackInfo& info);

 private:
  Napi::Value Embed(const Napi::CallbackInfo& info);
  Napi::Value EmbedNow(const Napi::CallbackInfo& info);

  std::function<std::function<Napi::Value(Napi::Env)>(LlamaContext&)> Embedding(
      const Napi::CallbackInfo& info) const;

  int32_t longest_;  // tokens of a sequence
  int32_t vocab_size_;
};

}  // namespace gpt4all
