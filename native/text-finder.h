// ControlTexts, for JavaScript.
#pragma once

#include <napi.h>

#include <memory>

#include "control-texts.h"
#include "worker.h"

namespace gpt4all {

// NativeTextFinder of src/native/contract.ts
class TextFinder : public Napi::ObjectWrap<TextFinder> {
 public:
  static const napi_type_tag kTag;

  static Napi::Function Init(Napi::Env env);
  static Napi::Object ToJs(Napi::Env env, const Marks& marks);

  explicit TextFinder(const Napi::CallbackInfo& info);

  const std::shared_ptr<const ControlTexts>& texts() const { return texts_; }

 private:
  struct Marking {
    std::u16string text;
    Marks marks;
    std::vector<UnitRange> users;
  };

  static Marking ReadMarking(const Napi::CallbackInfo& info);
  Napi::Value UnusedMarks(const Napi::CallbackInfo& info);
  Napi::Value Marked(const Napi::CallbackInfo& info);
  Napi::Value MarkedLater(const Napi::CallbackInfo& info);
  Napi::Value Occurring(const Napi::CallbackInfo& info);

  std::shared_ptr<const ControlTexts> texts_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace gpt4all
