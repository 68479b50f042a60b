// Model: weights and vocabulary. Loading runs on a thread of its own.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "llama.h"
#include "log.h"
#include "shared-weights.h"
#include "vocabulary.h"
#include "worker.h"

namespace gpt4all {

// One owner's hold on a llama_model, which others may hold too. Its contexts share it: the llama_model is
// freed with the last owner of all, and with it its adapters.
struct Weights {
  Weights(AcquiredWeights acquired, bool vocab_only, std::shared_ptr<LogSink> log)
      : model(acquired.weights->model),
        adapters(acquired.weights->adapters),
        shared(acquired.shared),
        vocab_only(vocab_only),
        log(std::move(log)),
        description(Describe(model)),
        held_(std::move(acquired.weights)) {}
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  const llama_vocab* vocab() const { return llama_model_get_vocab(model); }
  int32_t vocab_size() const { return llama_vocab_n_tokens(vocab()); }

  llama_model* const model;
  const std::vector<llama_adapter_lora*> adapters;
  const bool shared;  // another owner had loaded it
  const bool vocab_only;
  const std::shared_ptr<LogSink> log;
  const ModelDescription description;

 private:
  const std::shared_ptr<const SharedWeights> held_;
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
  Napi::Value TokenizeMarked(const Napi::CallbackInfo& info);
  Napi::Value TokenizeLater(const Napi::CallbackInfo& info);
  Napi::Value Detokenize(const Napi::CallbackInfo& info);
  Napi::Value DetokenizeLater(const Napi::CallbackInfo& info);
  Napi::Value TokenBytes(const Napi::CallbackInfo& info);
  Napi::Value ChatTemplate(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // On the thread for what takes long, or on the other, which nothing of that holds up.
  Napi::Value Submit(const Napi::CallbackInfo& info, size_t size, Worker::Work work);

  std::shared_ptr<Weights> weights_;
  std::unique_ptr<Worker> quick_, patient_;  // each made when there is something to do
};

}  // namespace gpt4all
