// The texts that must not be forged, found in what users write.
#pragma once

#include <napi.h>

#include <bitset>
#include <optional>
#include <string>
#include <vector>

#include "text-set.h"

namespace gpt4all {

// NativeTextFinder of src/native/types.ts
class TextFinder : public Napi::ObjectWrap<TextFinder> {
 public:
  static Napi::Function Init(Napi::Env env);

  explicit TextFinder(const Napi::CallbackInfo& info);

 private:
  Napi::Value Marked(const Napi::CallbackInfo& info);
  Napi::Value Without(const Napi::CallbackInfo& info);
  Napi::Value Occurring(const Napi::CallbackInfo& info);

  std::optional<TextSet> texts_;
  // Of texts that are no characters but parts of such, in vocabularies of bytes: a character with one of them
  // may become such a text.
  std::bitset<256> partial_bytes_;
};

}  // namespace gpt4all
