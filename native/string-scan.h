// StringScan: JavaScript's handle on StringRules. There may be 256,000 tokens and as many merges: JavaScript
// that V8 has not compiled yet would take a fifth of the time in which llama.cpp opens a small model.
#pragma once

#include <napi.h>

#include <optional>

#include "string-rules.h"

namespace gpt4all {

class StringScan : public Napi::ObjectWrap<StringScan> {
 public:
  static Napi::Function Init(Napi::Env env);

  explicit StringScan(const Napi::CallbackInfo& info);

 private:
  Napi::Value Scan(const Napi::CallbackInfo& info);

  std::optional<StringRules> rules_;
};

}  // namespace gpt4all
