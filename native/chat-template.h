// ChatTemplate: a Jinja template, parsed once. A rendered prompt comes with a function that splits the
// answer. Quick work is done at once, the rest on a thread of the template's own.
#pragma once

#include <napi.h>

#include <memory>

#include "chat.h"
#include "log.h"
#include "worker.h"

namespace gpt4all {

class ChatTemplate : public Napi::ObjectWrap<ChatTemplate> {
 public:
  static Napi::Function Init(Napi::Env env);

  explicit ChatTemplate(const Napi::CallbackInfo& info);

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value OpenLater(const Napi::CallbackInfo& info);
  Napi::Value Render(const Napi::CallbackInfo& info);
  Napi::Value RenderLater(const Napi::CallbackInfo& info);

  // The template reads the model's vocabulary only while it is parsed, but logs to the model's logger.
  std::shared_ptr<LogSink> log_;
  std::shared_ptr<ChatFormat> format_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace gpt4all
