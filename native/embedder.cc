#include "embedder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "args.h"
#include "embedding.h"
#include "shape.h"

namespace gpt4all {

const napi_type_tag Embedder::kTag = {0x5b1fd3a8e0974c26, 0xb92c7e4d15f86a03};

namespace {

// What a finished creation hands to the wrapper's constructor.
struct NewEmbedder {
  std::shared_ptr<ContextThread> thread;
  int32_t vocab_size;
  int32_t longest;
  int32_t vector_size;
  enum llama_pooling_type pooling;
};

const char* NameOf(enum llama_pooling_type pooling) {
  for (const auto& [name, type] : kPoolings) {
    if (type == pooling) return name;
  }
  return "none";
}

Napi::Value Create(const Napi::CallbackInfo& info,
                   const std::shared_ptr<Napi::FunctionReference>& constructor) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Weights> weights = Handle<Model>(info[0], "model")->Open(env);
  const bool translates = llama_model_has_encoder(weights->model) && llama_model_has_decoder(weights->model);
  if (weights->vocab_only || translates)
    throw BadArgument(env, "model", "an encoder or a decoder with its weights loaded");
  const ContextShape shape = ReadEmbedderShape(info[1], weights->adapters.size());
  // Positions of their own, as many as the model was trained with: ggml aborts at the next.
  const int32_t longest =
      std::min(static_cast<int32_t>(shape.batch_size), llama_model_n_ctx_train(weights->model));
  return Constructed<NewEmbedder>(
      env, constructor,
      {StartThread(env, weights, shape), weights->vocab_size(), longest, 0, LLAMA_POOLING_TYPE_UNSPECIFIED},
      [](const LlamaContext& llama, NewEmbedder& fresh) {
        fresh.vector_size = VectorSize(llama.context);
        fresh.pooling = llama_pooling_type(llama.context);
      });
}

// Of the sequences of one batch, in tokens.
std::vector<int32_t> ReadLengths(const Napi::Value& value, const ContextShape& shape, int32_t longest,
                                 size_t tokens) {
  if (!IsTyped(value, napi_int32_array)) throw BadArgument(value.Env(), "lengths", "an Int32Array");
  std::vector<int32_t> lengths = Copied(value.As<Napi::Int32Array>(), "lengths", shape.sequences);
  for (const int32_t length : lengths) {
    if (length < 1 || length > longest)
      throw BadArgument(value.Env(), "lengths", "within the model's positions");
  }
  if (lengths.empty() || std::accumulate(lengths.begin(), lengths.end(), size_t{0}) != tokens)
    throw BadArgument(value.Env(), "lengths", "as many as there are tokens, together");
  return lengths;
}

}  // namespace

Napi::Object Embedder::Init(Napi::Env env) {
  const Napi::Function constructor = DefineClass(env, "Embedder",
                                                 {
                                                     InstanceMethod<&Embedder::Embed>("embed"),
                                                     InstanceMethod<&Embedder::EmbedNow>("embedNow"),
                                                     InstanceMethod("setThreads", &Embedder::SetThreads),
                                                     InstanceMethod("abort", &Embedder::Abort),
                                                     InstanceMethod("close", &Embedder::Close),
                                                 });
  const auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  reference->SuppressDestruct();
  Napi::Object exported = Napi::Object::New(env);
  exported.Set("create", Napi::Function::New(env, [reference](const Napi::CallbackInfo& info) {
                 return Create(info, reference);
               }));
  return exported;
}

Embedder::Embedder(const Napi::CallbackInfo& info) : ContextHandle<Embedder>(info) {
  const Napi::Env env = info.Env();
  const NewEmbedder* fresh = HandOver<NewEmbedder>::Take();
  if (fresh == nullptr) throw BadArgument(env, "Embedder", "made by Embedder.create()");
  info.This().As<Napi::Object>().TypeTag(&kTag);
  Adopt(env, fresh->thread);
  longest_ = fresh->longest;
  vocab_size_ = fresh->vocab_size;

  Napi::Object description = Napi::Object::New(env);
  description.Set("vectorSize", fresh->vector_size);
  description.Set("pooling", NameOf(fresh->pooling));
  description.Set("longest", longest_);
  info.This().As<Napi::Object>().DefineProperty(
      Napi::PropertyDescriptor::Value("info", description, napi_enumerable));
}

Napi::Value Embedder::Embed(const Napi::CallbackInfo& info) {
  return Promised(info.Env(), ContextThread::Kind::kStep, Embedding(info));
}

Napi::Value Embedder::EmbedNow(const Napi::CallbackInfo& info) {
  return Awaited(info.Env(), ContextThread::Kind::kStep, Embedding(info));
}

// The work that the arguments ask for.
std::function<std::function<Napi::Value(Napi::Env)>(LlamaContext&)> Embedder::Embedding(
    const Napi::CallbackInfo& info) const {
  const ContextShape& shape = Open(info.Env()).shape;
  std::vector<int32_t> tokens = Tokens(info[0], "tokens", vocab_size_, shape.batch_size);
  std::vector<int32_t> lengths = ReadLengths(info[1], shape, longest_, tokens.size());
  return [tokens = std::move(tokens), lengths = std::move(lengths)](LlamaContext& llama) {
    auto vectors = std::make_shared<std::vector<float>>(gpt4all::Embed(llama, tokens, lengths));
    return [vectors](Napi::Env env) {
      auto array = Napi::Float32Array::New(env, vectors->size());
      std::memcpy(array.Data(), vectors->data(), vectors->size() * sizeof(float));
      return array;
    };
  };
}

}  // namespace gpt4all
