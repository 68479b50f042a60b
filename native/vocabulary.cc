#include "vocabulary.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "model.h"

namespace gpt4all {

Napi::Int32Array ToArray(Napi::Env env, const std::vector<llama_token>& tokens) {
  auto array = Napi::Int32Array::New(env, tokens.size());
  std::copy(tokens.begin(), tokens.end(), array.Data());
  return array;
}

Napi::Value ToBytes(Napi::Env env, const std::string& bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

namespace {

// llama.cpp walks from the first key to the requested one.
constexpr int32_t kMostMetadata = 4096;

// The GGUF's scalar keys and values. llama.cpp's getters return the full length whatever the buffer holds.
std::vector<std::pair<std::string, std::string>> DescribeMetadata(const llama_model* model) {
  const auto read = [](auto getter) {
    std::string text(256, '\0');
    int32_t length = getter(text.data(), text.size());
    if (length >= static_cast<int32_t>(text.size())) {
      text.resize(static_cast<size_t>(length) + 1);
      length = getter(text.data(), text.size());
    }
    text.resize(static_cast<size_t>(std::max(0, length)));
    return text;
  };
  std::vector<std::pair<std::string, std::string>> metadata;
  const int32_t count = std::min(llama_model_meta_count(model), kMostMetadata);
  for (int32_t i = 0; i < count; i++) {
    metadata.emplace_back(read([&](char* buffer, size_t size) {
                            return llama_model_meta_key_by_index(model, i, buffer, size);
                          }),
                          read([&](char* buffer, size_t size) {
                            return llama_model_meta_val_str_by_index(model, i, buffer, size);
                          }));
  }
  return metadata;
}

// GPT-2's byte-level vocabularies and SentencePiece's with byte fallback lose nothing of a text, and a token
// covers no more of it than its own text. Others leave out unknown characters, or white space.
bool TokensCoverText(const llama_model* model, const llama_vocab* vocab) {
  const auto type = llama_vocab_type(vocab);
  if (type != LLAMA_VOCAB_TYPE_SPM && type != LLAMA_VOCAB_TYPE_BPE) return false;
  char name[16] = "";
  llama_model_meta_val_str(model, "tokenizer.ggml.model", name, sizeof name);
  return std::string(name) != "hybriddna" && std::string(name) != "whitespace";
}

}  // namespace

ModelDescription Describe(const llama_model* model) {
  const llama_vocab* vocab = llama_model_get_vocab(model);
  ModelDescription described;
  bool strips = false;
  size_t longest = 0;
  for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); token++) {
    if (llama_vocab_is_eog(vocab, token)) described.end_tokens.push_back(token);
    const int attributes = llama_vocab_get_attr(vocab, token);
    const std::string text = llama_vocab_get_text(vocab, token);
    longest = std::max(longest, text.size());
    // llama_tokenize() finds those in a text only with parse_special, user-defined ones always.
    const bool control = (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0;
    if (!control && (attributes & LLAMA_TOKEN_ATTR_USER_DEFINED) == 0) continue;
    strips = strips || (attributes & (LLAMA_TOKEN_ATTR_LSTRIP | LLAMA_TOKEN_ATTR_RSTRIP)) != 0;
    (control ? described.control_texts : described.defined_texts).push_back(text);
  }
  if (TokensCoverText(model, vocab)) described.longest_token = static_cast<uint32_t>(longest);
  described.strips_white_space = strips;
  described.byte_tokens = FindByteTokens(vocab);
  char description[128] = "";
  llama_model_desc(model, description, sizeof description);
  described.name = description;
  described.metadata = DescribeMetadata(model);
  return described;
}

namespace {

// What stands between a question and the document that is ranked for it. Source: llama-embedding.
std::vector<llama_token> PairSeparator(const llama_vocab* vocab) {
  std::vector<llama_token> tokens;
  if (llama_vocab_get_add_eos(vocab)) tokens.push_back(llama_vocab_eos(vocab));
  if (llama_vocab_get_add_sep(vocab)) tokens.push_back(llama_vocab_sep(vocab));
  tokens.erase(std::remove(tokens.begin(), tokens.end(), LLAMA_TOKEN_NULL), tokens.end());
  return tokens;
}

Napi::Array ToArray(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) array.Set(i, texts[i]);
  return array;
}

}  // namespace

Napi::Object ToObject(Napi::Env env, const Weights& weights) {
  const llama_model* model = weights.model;
  const ModelDescription& described = weights.description;
  Napi::Object metadata = Napi::Object::New(env);
  for (const auto& [key, value] : described.metadata) metadata.Set(key, value);

  Napi::Object info = Napi::Object::New(env);
  info.Set("shared", weights.shared);
  info.Set("description", described.name);
  info.Set("sizeBytes", static_cast<double>(llama_model_size(model)));
  info.Set("parameters", static_cast<double>(llama_model_n_params(model)));
  info.Set("trainedContextSize", llama_model_n_ctx_train(model));
  info.Set("vocabSize", weights.vocab_size());
  info.Set("longestToken", described.longest_token);
  info.Set("stripsWhiteSpace", described.strips_white_space);
  info.Set("hasEncoder", llama_model_has_encoder(model));
  info.Set("hasDecoder", llama_model_has_decoder(model));
  info.Set("isRecurrent", llama_model_is_recurrent(model));
  info.Set("isHybrid", llama_model_is_hybrid(model));
  info.Set("isDiffusion", llama_model_is_diffusion(model));
  info.Set("slidingWindow", llama_model_n_swa(model));
  info.Set("endTokens", ToArray(env, described.end_tokens));
  info.Set("pairSeparator", ToArray(env, PairSeparator(llama_model_get_vocab(model))));
  info.Set("controlTexts", ToArray(env, described.control_texts));
  info.Set("definedTexts", ToArray(env, described.defined_texts));
  info.Set("metadata", metadata);
  return info;
}

}  // namespace gpt4all
