#include "model.h"

#include <optional>
#include <utility>

#include "args.h"
#include "loader.h"
#include "vocabulary.h"

namespace gpt4all {

// Random, fixed for ever: tells objects of this class from all others.
const napi_type_tag Model::kTag = {0x6b0f1c52a7d94e18, 0x9d3a5e7f10c4b286};

Napi::Object Model::Init(Napi::Env env) {
  const Napi::Function constructor = DefineClass(env, "Model",
                                                 {
                                                     InstanceMethod<&Model::Tokenize>("tokenize"),
                                                     InstanceMethod<&Model::TokenizeAsync>("tokenizeAsync"),
                                                     InstanceMethod<&Model::Detokenize>("detokenize"),
                                                     InstanceMethod<&Model::TokenBytes>("tokenBytes"),
                                                     InstanceMethod<&Model::ChatTemplate>("chatTemplate"),
                                                     InstanceMethod<&Model::Close>("close"),
                                                 });
  const auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  reference->SuppressDestruct();
  Napi::Object exported = Napi::Object::New(env);
  exported.Set("load", Napi::Function::New(env, [reference](const Napi::CallbackInfo& info) {
                 return StartLoad(info, [reference](Napi::Env env, std::shared_ptr<Weights> weights) {
                   return reference->New({Napi::External<std::shared_ptr<Weights>>::New(env, &weights)});
                 });
               }));
  exported.Set("isLoaded", Napi::Function::New(env, IsLoaded));
  return exported;
}

// Only the loader makes models: a plain `new` from JavaScript has no weights to give.
Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    throw BadArgument(info.Env(), "Model", "made by Model.load()");
  }
  info.This().As<Napi::Object>().TypeTag(&kTag);
  weights_ = *info[0].As<Napi::External<std::shared_ptr<Weights>>>().Data();
  // A property of its own, not an accessor: Node does not check what an accessor is called on.
  info.This().As<Napi::Object>().DefineProperty(
      Napi::PropertyDescriptor::Value("info", DescribeModel(info.Env(), *weights_), napi_enumerable));
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
class TokenizeWorker : public Napi::AsyncWorker {
 public:
  TokenizeWorker(Napi::Env env, std::shared_ptr<Weights> weights, std::string text, bool add, bool parse)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        weights_(std::move(weights)),
        text_(std::move(text)),
        add_special_(add),
        parse_special_(parse) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      tokens_ = gpt4all::Tokenize(weights_->vocab(), text_, add_special_, parse_special_);
    } catch (const Failure& failure) {
      failure_ = failure;
    }
  }
  void OnOK() override {
    if (failure_) {
      deferred_.Reject(ToJs(Env(), *failure_).Value());
    } else {
      deferred_.Resolve(ToArray(Env(), tokens_));
    }
  }
  void OnError(const Napi::Error& error) override {
    deferred_.Reject(MakeError(Env(), "ERR_MEMORY", error.Message()).Value());
  }

  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<Weights> weights_;
  const std::string text_;
  const bool add_special_, parse_special_;
  std::vector<llama_token> tokens_;
  std::optional<Failure> failure_;
};
}  // namespace

Napi::Value Model::TokenizeAsync(const Napi::CallbackInfo& info) {
  const auto weights = Open(info.Env());
  auto* worker = new TokenizeWorker(info.Env(), weights, Text(info[0], "text"),
                                    Boolean(info[1], "addSpecial"), Boolean(info[2], "parseSpecial"));
  worker->Queue();  // deletes itself when done
  return worker->promise();
}

Napi::Value Model::Detokenize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto weights = Open(env);
  const auto tokens = Tokens(info[0], "tokens", weights->vocab_size());
  const bool special = Boolean(info[1], "special");
  return Translated(env,
                    [&] { return ToBytes(env, gpt4all::Detokenize(weights->vocab(), tokens, special)); });
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
  weights_.reset();
  return info.Env().Undefined();
}

}  // namespace gpt4all
