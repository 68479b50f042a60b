// ChatTemplate: a Jinja template, parsed once. What it renders brings a function that splits the answer.
#pragma once

#include <napi.h>

#include <memory>

#include "chat.h"
#include "log.h"

namespace gpt4all {

class ChatTemplate : public Napi::ObjectWrap<ChatTemplate> {
 public:
  static Napi::Function Init(Napi::Env env);

  explicit ChatTemplate(const Napi::CallbackInfo& info);

 private:
  Napi::Value Render(const Napi::CallbackInfo& info);

  // The template reads the model's vocabulary only while it is parsed, but logs to the model's logger.
  std::shared_ptr<LogSink> log_;
  std::unique_ptr<ChatFormat> format_;
};

}  // namespace gpt4all
