// Model: weights and vocabulary. Loading runs on a thread of its own.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "llama.h"
#include "log.h"

namespace gpt4all {

// The llama_model and what must live as long as it. Contexts share it: the weights are freed with the last
// owner, and with them their adapters.
struct Weights {
  Weights(llama_model* model, bool vocab_only, std::shared_ptr<LogSink> log)
      : model(model), vocab_only(vocab_only), log(std::move(log)) {}
  ~Weights();
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  const llama_vocab* vocab() const { return llama_model_get_vocab(model); }
  int32_t vocab_size() const { return llama_vocab_n_tokens(vocab()); }

  llama_model* const model;
  const bool vocab_only;
  const std::shared_ptr<LogSink> log;
  std::vector<llama_adapter_lora*> adapters;
};

class Model : public Napi::ObjectWrap<Model> {
 public:
  static const napi_type_tag kTag;
  static Napi::Object Init(Napi::Env env);

  explicit Model(const Napi::CallbackInfo& info);

  // The weights, or ERR_CLOSED.
  std::shared_ptr<Weights> Open(Napi::Env env) const;

 private:
  static Napi::Value Load(const Napi::CallbackInfo& info);
  Napi::Value Tokenize(const Napi::CallbackInfo& info);
  Napi::Value TokenizeAsync(const Napi::CallbackInfo& info);
  Napi::Value Detokenize(const Napi::CallbackInfo& info);
  Napi::Value TokenBytes(const Napi::CallbackInfo& info);
  Napi::Value ChatTemplate(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<Weights> weights_;
};

}  // namespace gpt4all
