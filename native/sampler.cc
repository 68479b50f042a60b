#include "sampler.h"

#include <limits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "args.h"

namespace gpt4all {

namespace {

// Two arrays of one length: tokens, none of them twice, and what their logits gain.
std::vector<std::pair<int32_t, float>> ReadBias(const Napi::Object& given, int32_t vocab_size) {
  const std::vector<int32_t> tokens = Tokens(given.Get("biasedTokens"), "biasedTokens", vocab_size);
  const std::vector<float> values = Floats(given.Get("biases"), "biases", tokens.size());
  if (values.size() != tokens.size()) {
    throw BadArgument(given.Env(), "biases", "as long as biasedTokens");
  }
  std::vector<std::pair<int32_t, float>> bias;
  std::unordered_set<int32_t> seen;
  for (size_t i = 0; i < tokens.size(); i++) {
    if (!seen.insert(tokens[i]).second) throw BadArgument(given.Env(), "biasedTokens", "each token once");
    if (!(values[i] < std::numeric_limits<float>::infinity())) {
      throw BadArgument(given.Env(), "biases", "numbers, or -Infinity");
    }
    bias.emplace_back(tokens[i], values[i]);
  }
  return bias;
}

}  // namespace

const napi_type_tag Sampler::kTag = {0x2f7c6d1a904b43e5, 0xb81e0d6c5a37f924};

Napi::Function Sampler::Init(Napi::Env env) {
  return DefineClass(env, "Sampler",
                     {
                         InstanceMethod<&Sampler::Sample>("sample"),
                         InstanceMethod<&Sampler::Accept>("accept"),
                         InstanceMethod<&Sampler::LookBackOn>("lookBackOn"),
                     });
}

Sampler::Sampler(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Sampler>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
  const int32_t vocab_size = Integer(info[0], "vocabSize", 1, 1 << 28);
  const Napi::Object given = Object(info[1], "params");
  constexpr double kMax = std::numeric_limits<float>::max();
  SamplingParams params;
  params.temperature = static_cast<float>(Number(given.Get("temperature"), "temperature", 0, kMax));
  params.top_k = Integer(given.Get("topK"), "topK", 0, INT32_MAX);
  params.top_p = static_cast<float>(Number(given.Get("topP"), "topP", 0, 1));
  params.min_p = static_cast<float>(Number(given.Get("minP"), "minP", 0, 1));
  params.repeat_penalty =
      static_cast<float>(Number(given.Get("repeatPenalty"), "repeatPenalty", 1e-30, kMax));
  params.repeat_last_n = Unsigned(given.Get("repeatLastN"), "repeatLastN");
  params.presence_penalty =
      static_cast<float>(Number(given.Get("presencePenalty"), "presencePenalty", -kMax, kMax));
  params.frequency_penalty =
      static_cast<float>(Number(given.Get("frequencyPenalty"), "frequencyPenalty", -kMax, kMax));
  params.seed = Unsigned(given.Get("seed"), "seed");
  params.bias = ReadBias(given, vocab_size);
  shared_ = std::make_shared<SharedDraw>(vocab_size, params);
}

Napi::Value Sampler::Sample(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  const auto vocab_size = static_cast<size_t>(shared_->draw.vocab_size());
  std::vector<float> logits = Floats(info[0], "logits", vocab_size);
  if (logits.size() != vocab_size) throw BadArgument(env, "logits", "as long as the vocabulary");
  const int32_t token = shared_->draw.Next(logits.data());
  if (token < 0) throw MakeError(env, "ERR_DECODE", "no logit is a finite number");
  return Napi::Number::New(env, token);
}

Napi::Value Sampler::Accept(const Napi::CallbackInfo& info) {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->draw.Accept(Integer(info[0], "token", 0, shared_->draw.vocab_size() - 1));
  return info.Env().Undefined();
}

Napi::Value Sampler::LookBackOn(const Napi::CallbackInfo& info) {
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  for (const int32_t token : Tokens(info[0], "tokens", shared_->draw.vocab_size()))
    shared_->draw.LookBackOn(token);
  return info.Env().Undefined();
}

}  // namespace gpt4all
