#include "chat-template.h"

#include <utility>

#include "args.h"
#include "model.h"

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

}  // namespace

Napi::Function ChatTemplate::Init(Napi::Env env) {
  return DefineClass(env, "ChatTemplate", {InstanceMethod<&ChatTemplate::Render>("render")});
}

ChatTemplate::ChatTemplate(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ChatTemplate>(info) {
  const Napi::Env env = info.Env();
  std::shared_ptr<Weights> weights;
  if (!info[0].IsUndefined()) weights = Handle<Model>(info[0], "model")->Open(env);
  const std::string source = info[1].IsUndefined() ? std::string() : Text(info[1], "source");
  if (!weights && source.empty()) throw BadArgument(env, "source", "a template, where there is no model");
  if (weights) log_ = weights->log;
  Translated(env, [&] {
    const LogScope scope(log_);
    format_ = std::make_unique<ChatFormat>(weights ? weights->model : nullptr, source);
    return env.Undefined();
  });
}

Napi::Value ChatTemplate::Render(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object params = Object(info[0], "params");
  RenderRequest request{ReadMessages(params.Get("messages")),
                        Boolean(params.Get("addGenerationPrompt"), "addGenerationPrompt"),
                        Boolean(params.Get("enableThinking"), "enableThinking"), std::nullopt};
  const Napi::Value preserve = params.Get("preserveReasoning");
  if (!preserve.IsUndefined()) request.preserve_reasoning = Boolean(preserve, "preserveReasoning");
  return Translated(env, [&]() -> Napi::Value {
    const LogScope scope(log_);
    RenderedChat made = format_->Render(request);
    Napi::Object rendered = Napi::Object::New(env);
    rendered.Set("prompt", made.prompt);
    rendered.Set("generationPrompt", made.generation_prompt);
    rendered.Set("supportsThinking", made.supports_thinking);
    rendered.Set("splitsReply", made.splits_reply);
    rendered.Set("thinkingStart", made.thinking_start);
    rendered.Set("thinkingEnds", ToArray(env, made.thinking_ends));
    rendered.Set("preservedTexts", ToArray(env, made.preserved_texts));
    rendered.Set("stops", ToArray(env, made.stops));
    rendered.Set("parseReply", MakeParser(env, std::move(made.grammar)));
    return rendered;
  });
}

}  // namespace gpt4all
