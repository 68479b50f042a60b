// Sampler: JavaScript's handle on a Sampling. A step draws with it on its context's thread; the lock keeps
// JavaScript's own sample() and accept() from running at the same time.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>

#include "sampling.h"

namespace gpt4all {

struct SharedSampling {
  SharedSampling(int32_t vocab_size, const SamplingParams& params) : sampling(vocab_size, params) {}
  std::mutex mutex;
  Sampling sampling;
};

class Sampler : public Napi::ObjectWrap<Sampler> {
 public:
  static const napi_type_tag kTag;
  static Napi::Function Init(Napi::Env env);

  explicit Sampler(const Napi::CallbackInfo& info);

  const std::shared_ptr<SharedSampling>& shared() const { return shared_; }

 private:
  Napi::Value Sample(const Napi::CallbackInfo& info);
  Napi::Value Accept(const Napi::CallbackInfo& info);

  std::shared_ptr<SharedSampling> shared_;
};

}  // namespace gpt4all
