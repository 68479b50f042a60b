#include "model.h"

#include <string>
#include <utility>

#include "args.h"
#include "hand-over.h"
#include "loader.h"
#include "tokenizer.h"

namespace gpt4all {

// Random, fixed for ever: distinguishes objects of this class from all others.
const napi_type_tag Model::kTag = {0x6b0f1c52a7d94e18, 0x9d3a5e7f10c4b286};

Napi::Object Model::Init(Napi::Env env) {
  const Napi::Function constructor =
      DefineClass(env, "Model",
                  {
                      InstanceMethod<&Model::Tokenize>("tokenize"),
                      InstanceMethod<&Model::TokenizeMarked>("tokenizeMarked"),
                      InstanceMethod<&Model::TokenizeLater>("tokenizeLater"),
                      InstanceMethod<&Model::Detokenize>("detokenize"),
                      InstanceMethod<&Model::DetokenizeLater>("detokenizeLater"),
                      InstanceMethod<&Model::TokenBytes>("tokenBytes"),
                      InstanceMethod<&Model::ChatTemplate>("chatTemplate"),
                      InstanceMethod<&Model::Close>("close"),
                  });
  const auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  reference->SuppressDestruct();
  Napi::Object exported = Napi::Object::New(env);
  exported.Set("load", Napi::Function::New(env, [reference](const Napi::CallbackInfo& info) {
                 return StartLoad(info, [reference](std::shared_ptr<Weights> weights) {
                   return HandOver<std::shared_ptr<Weights>>::Construct(*reference, weights);
                 });
               }));
  exported.Set("isLoaded", Napi::Function::New(env, IsLoaded));
  return exported;
}

// Only the loader makes models: a plain `new` from JavaScript has no weights to give.
Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  std::shared_ptr<Weights>* weights = HandOver<std::shared_ptr<Weights>>::Take();
  if (weights == nullptr) throw BadArgument(info.Env(), "Model", "made by Model.load()");
  info.This().As<Napi::Object>().TypeTag(&kTag);
  weights_ = *weights;
  // A property of its own, not an accessor: Node does not check what an accessor is called on.
  info.This().As<Napi::Object>().DefineProperty(
      Napi::PropertyDescriptor::Value("info", ToObject(info.Env(), *weights_), napi_enumerable));
}

std::shared_ptr<Weights> Model::Open(Napi::Env env) const {
  if (!weights_) throw MakeError(env, "ERR_CLOSED", "The model is closed.");
  return weights_;
}

Napi::Value Model::Tokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto weights = Open(env);
  const std::string text = Text(info[0], "text");
  const bool add_special = Boolean(info[1], "addSpecial");
  const bool parse_special = Boolean(info[2], "parseSpecial");
  return Translated(env, [&] {
    return ToArray(env, gpt4all::Tokenize(weights->vocab(), text, add_special, parse_special));
  });
}

namespace {

// Texts and tokens up to this many bytes go to the quick thread: some 10 ms of work.
constexpr size_t kQuick = 64 * 1024;

MarkedText ReadMarked(const Napi::Value& value) {
  const Napi::Object given = Object(value, "text");
  const auto text = [&given](const char* name) { return Text(given.Get(name), name); };
  const auto boolean = [&given](const char* name) { return Boolean(given.Get(name), name); };
  return {text("text"),
          text("cut"),
          text("open"),
          text("close"),
          boolean("begins"),
          boolean("addSpecial"),
          boolean("parseSpecial"),
          text("anchor")};
}

}  // namespace

Napi::Value Model::Submit(const Napi::CallbackInfo& info, size_t size, Worker::Work work) {
  const bool is_quick = size <= kQuick;
  return Worker::Submit(is_quick ? quick_ : patient_, !is_quick, info, std::move(work));
}

Napi::Value Model::TokenizeMarked(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto weights = Open(env);
  const MarkedText marked = ReadMarked(info[0]);
  return Translated(env, [&] {
    return ToArray(env, gpt4all::Tokenize(weights->vocab(), weights->description.byte_tokens, marked));
  });
}

Napi::Value Model::TokenizeLater(const Napi::CallbackInfo& info) {
  const auto weights = Open(info.Env());
  const auto marked = std::make_shared<const MarkedText>(ReadMarked(info[0]));
  return Submit(info, marked->text.size(), [weights, marked]() -> std::function<Napi::Value(Napi::Env)> {
    const LogScope scope(weights->log);
    return [tokens = gpt4all::Tokenize(weights->vocab(), weights->description.byte_tokens, *marked)](
               Napi::Env env) { return ToArray(env, tokens); };
  });
}

Napi::Value Model::Detokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto weights = Open(env);
  const auto tokens = Tokens(info[0], "tokens", weights->vocab_size());
  const bool special = Boolean(info[1], "special");
  return Translated(env,
                    [&] { return ToBytes(env, gpt4all::Detokenize(weights->vocab(), tokens, special)); });
}

Napi::Value Model::DetokenizeLater(const Napi::CallbackInfo& info) {
  const auto weights = Open(info.Env());
  const auto tokens =
      std::make_shared<const std::vector<llama_token>>(Tokens(info[0], "tokens", weights->vocab_size()));
  const bool special = Boolean(info[1], "special");
  return Submit(info, tokens->size() * sizeof(llama_token),
                [weights, tokens, special]() -> std::function<Napi::Value(Napi::Env)> {
                  return [text = gpt4all::Detokenize(weights->vocab(), *tokens, special)](Napi::Env env) {
                    return ToBytes(env, text);
                  };
                });
}

Napi::Value Model::TokenBytes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto weights = Open(env);
  const int32_t token = Integer(info[0], "token", 0, weights->vocab_size() - 1);
  const bool special = Boolean(info[1], "special");
  return Translated(env, [&] { return ToBytes(env, gpt4all::TokenBytes(weights->vocab(), token, special)); });
}

Napi::Value Model::ChatTemplate(const Napi::CallbackInfo& info) {
  const char* source = llama_model_chat_template(Open(info.Env())->model, nullptr);
  if (source == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), source);
}

Napi::Value Model::Close(const Napi::CallbackInfo& info) {
  for (Worker* worker : {quick_.get(), patient_.get()})
    if (worker != nullptr) worker->Stop();
  weights_.reset();
  return info.Env().Undefined();
}

}  // namespace gpt4all
