#include "chat-template.h"

#include <utility>

#include "args.h"
#include "model.h"
#include "text-finder.h"

namespace gpt4all {

namespace {

Napi::Array ToArray(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) array.Set(i, texts[i]);
  return array;
}

Napi::Function MakeParser(Napi::Env env, std::shared_ptr<const ReplyGrammar> grammar) {
  return Napi::Function::New(env, [grammar = std::move(grammar)](const Napi::CallbackInfo& info) {
    const std::string output = Text(info[0], "output");
    const bool partial = Boolean(info[1], "partial");
    return Translated(info.Env(), [&]() -> Napi::Value {
      const ParsedReply reply = grammar->Parse(output, partial);
      Napi::Object parsed = Napi::Object::New(info.Env());
      parsed.Set("reasoning", reply.reasoning);
      parsed.Set("content", reply.content);
      return parsed;
    });
  });
}

std::vector<ChatMessage> ReadMessages(const Napi::Value& value) {
  std::vector<ChatMessage> messages;
  ForEach(value, "messages", UINT32_MAX, [&](const Napi::Value& given) {
    const Napi::Object message = Object(given, "messages");
    const Napi::Value reasoning = message.Get("reasoning");
    messages.push_back({Text(message.Get("role"), "role"), Text(message.Get("content"), "content"),
                        reasoning.IsUndefined() ? std::string() : Text(reasoning, "reasoning")});
  });
  return messages;
}

RenderRequest ReadRequest(const Napi::Value& value) {
  const Napi::Object params = Object(value, "params");
  RenderRequest request{ReadMessages(params.Get("messages")),
                        Boolean(params.Get("addGenerationPrompt"), "addGenerationPrompt"),
                        Boolean(params.Get("enableThinking"), "enableThinking")};
  const Napi::Value preserve = params.Get("preserveReasoning");
  if (!preserve.IsUndefined()) request.preserve_reasoning = Boolean(preserve, "preserveReasoning");
  const Napi::Value control = params.Get("control");
  if (!control.IsUndefined()) {
    request.control = Handle<TextFinder>(control, "control")->texts();
    request.avoided = params.Get("avoided").ToString().Utf16Value();
  }
  return request;
}

Napi::Value ToJs(Napi::Env env, const RenderedChat& made) {
  Napi::Object rendered = Napi::Object::New(env);
  rendered.Set("prompt", made.prompt);
  if (made.plain.size() != made.prompt.size()) rendered.Set("plain", made.plain);
  rendered.Set("marks", TextFinder::ToJs(env, made.marks));
  rendered.Set("generationPrompt", made.generation_prompt);
  rendered.Set("splitsReply", made.splits_reply);
  rendered.Set("thinkingStart", made.thinking_start);
  rendered.Set("thinkingEnds", ToArray(env, made.thinking_ends));
  rendered.Set("preservedTexts", ToArray(env, made.preserved_texts));
  rendered.Set("stops", ToArray(env, made.stops));
  rendered.Set("parseReply", MakeParser(env, made.grammar));
  return rendered;
}

}  // namespace

Napi::Function ChatTemplate::Init(Napi::Env env) {
  return DefineClass(env, "ChatTemplate",
                     {
                         InstanceMethod<&ChatTemplate::Open>("open"),
                         InstanceMethod<&ChatTemplate::OpenLater>("openLater"),
                         InstanceMethod<&ChatTemplate::Render>("render"),
                         InstanceMethod<&ChatTemplate::RenderLater>("renderLater"),
                     });
}

ChatTemplate::ChatTemplate(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ChatTemplate>(info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<Weights> weights;
  if (!info[0].IsUndefined()) weights = Handle<Model>(info[0], "model")->Open(env);
  const std::string source = info[1].IsUndefined() ? std::string() : Text(info[1], "source");
  if (!weights && source.empty()) throw BadArgument(env, "source", "a template, where there is no model");
  std::shared_ptr<const llama_model> model;
  if (weights) {
    log_ = weights->log;
    model = {weights, weights->model};
  }
  Translated(env, [&] {
    format_ = std::make_shared<ChatFormat>(std::move(model), source);
    return env.Undefined();
  });
}

Napi::Value ChatTemplate::Open(const Napi::CallbackInfo& info) {
  return Translated(info.Env(), [&] {
    const LogScope scope(log_);
    format_->Open(Effort::kQuick);
    return info.Env().Undefined();
  });
}

Napi::Value ChatTemplate::OpenLater(const Napi::CallbackInfo& info) {
  return Worker::Submit(worker_, false, info,
                        [format = format_, log = log_]() -> std::function<Napi::Value(Napi::Env)> {
                          const LogScope scope(log);
                          format->Open(Effort::kWhole);
                          return [](Napi::Env env) { return env.Undefined(); };
                        });
}

Napi::Value ChatTemplate::Render(const Napi::CallbackInfo& info) {
  const RenderRequest request = ReadRequest(info[0]);
  return Translated(info.Env(), [&] {
    const LogScope scope(log_);
    return ToJs(info.Env(), format_->Render(request, Effort::kQuick));
  });
}

Napi::Value ChatTemplate::RenderLater(const Napi::CallbackInfo& info) {
  const auto request = std::make_shared<const RenderRequest>(ReadRequest(info[0]));
  return Worker::Submit(worker_, false, info,
                        [format = format_, log = log_, request]() -> std::function<Napi::Value(Napi::Env)> {
                          const LogScope scope(log);
                          return [made = format->Render(*request, Effort::kWhole)](Napi::Env env) {
                            return ToJs(env, made);
                          };
                        });
}

}  // namespace gpt4all
