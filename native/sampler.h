// Sampler: JavaScript's handle on a TokenDraw, with which a step draws on its context's thread.
#pragma once

#include <napi.h>

#include <memory>

#include "token-draw.h"

namespace gpt4all {

class Sampler : public Napi::ObjectWrap<Sampler> {
 public:
  static const napi_type_tag kTag;
  static Napi::Function Init(Napi::Env env);

  explicit Sampler(const Napi::CallbackInfo& info);

  const std::shared_ptr<SharedDraw>& shared() const { return shared_; }

 private:
  Napi::Value Sample(const Napi::CallbackInfo& info);
  Napi::Value Accept(const Napi::CallbackInfo& info);
  Napi::Value LookBackOn(const Napi::CallbackInfo& info);

  std::shared_ptr<SharedDraw> shared_;
};

}  // namespace gpt4all
