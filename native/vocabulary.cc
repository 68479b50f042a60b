#include "vocabulary.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <stdexcept>

#include "error.h"
#include "model.h"

namespace gpt4all {

namespace {

// llama.cpp looks bytes up that some vocabularies have no token for, with at().
template <typename Work>
auto WithinVocabulary(Work&& work) {
  try {
    return work();
  } catch (const std::out_of_range&) {
    throw Failure("ERR_DECODE", "the vocabulary has no token for some bytes of the text");
  }
}

}  // namespace

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const std::string& text, bool add_special,
                                  bool parse_special) {
  if (text.size() > INT32_MAX / 2) throw Failure("ERR_ARGUMENT", "text of more than 1 GiB");
  const auto length = static_cast<int32_t>(text.size());
  std::vector<llama_token> tokens(text.size() + 4);  // at most one token per byte, and the special ones
  const auto fill = [&] {
    return WithinVocabulary([&] {
      return llama_tokenize(vocab, text.data(), length, tokens.data(), static_cast<int32_t>(tokens.size()),
                            add_special, parse_special);
    });
  };
  int32_t count = fill();
  if (count < 0 && count != INT32_MIN) {  // -count are needed
    tokens.resize(static_cast<size_t>(-count));
    count = fill();
  }
  if (count < 0) throw Failure("ERR_ARGUMENT", "llama.cpp could not tokenize the text");
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

std::string Detokenize(const llama_vocab* vocab, const std::vector<llama_token>& tokens, bool special) {
  const auto count = static_cast<int32_t>(tokens.size());
  std::string text(std::max<size_t>(16, tokens.size() * 4), '\0');
  const auto fill = [&] {
    return WithinVocabulary([&] {
      return llama_detokenize(vocab, tokens.data(), count, text.data(), static_cast<int32_t>(text.size()),
                              false, special);
    });
  };
  int32_t length = fill();
  if (length < 0) {
    text.resize(static_cast<size_t>(-length));
    length = fill();
  }
  text.resize(static_cast<size_t>(std::max(0, length)));
  return text;
}

std::string TokenBytes(const llama_vocab* vocab, llama_token token, bool special) {
  std::string piece(32, '\0');
  const auto fill = [&] {
    return WithinVocabulary([&] {
      return llama_token_to_piece(vocab, token, piece.data(), static_cast<int32_t>(piece.size()), 0, special);
    });
  };
  int32_t length = fill();
  if (length < 0) {
    piece.resize(static_cast<size_t>(-length));
    length = fill();
  }
  piece.resize(static_cast<size_t>(std::max(0, length)));
  return piece;
}

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

// The GGUF's scalar keys and values. llama.cpp's getters return the full length whatever the buffer holds.
Napi::Object DescribeMetadata(Napi::Env env, const llama_model* model) {
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
  Napi::Object metadata = Napi::Object::New(env);
  const int32_t count = llama_model_meta_count(model);
  for (int32_t i = 0; i < count; i++) {
    const auto key = read(
        [&](char* buffer, size_t size) { return llama_model_meta_key_by_index(model, i, buffer, size); });
    const auto value = read(
        [&](char* buffer, size_t size) { return llama_model_meta_val_str_by_index(model, i, buffer, size); });
    metadata.Set(key, value);
  }
  return metadata;
}

}  // namespace

Napi::Object DescribeModel(Napi::Env env, const Weights& weights) {
  const llama_model* model = weights.model;
  const llama_vocab* vocab = weights.vocab();
  const int32_t vocab_size = weights.vocab_size();
  std::vector<llama_token> end_tokens;
  Napi::Array control_texts = Napi::Array::New(env), defined_texts = Napi::Array::New(env);
  for (llama_token token = 0; token < vocab_size; token++) {
    if (llama_vocab_is_eog(vocab, token)) end_tokens.push_back(token);
    const int attributes = llama_vocab_get_attr(vocab, token);
    // llama_tokenize() finds those in a text only with parse_special, user-defined ones always.
    const bool control = (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0;
    if (!control && (attributes & LLAMA_TOKEN_ATTR_USER_DEFINED) == 0) continue;
    Napi::Array& texts = control ? control_texts : defined_texts;
    texts.Set(texts.Length(), Napi::String::New(env, llama_vocab_get_text(vocab, token)));
  }
  char description[128] = "";
  llama_model_desc(model, description, sizeof description);

  Napi::Object info = Napi::Object::New(env);
  info.Set("shared", weights.shared);
  info.Set("description", description);
  info.Set("sizeBytes", static_cast<double>(llama_model_size(model)));
  info.Set("parameters", static_cast<double>(llama_model_n_params(model)));
  info.Set("trainedContextSize", llama_model_n_ctx_train(model));
  info.Set("vocabSize", vocab_size);
  info.Set("layers", llama_model_n_layer(model));
  info.Set("hasEncoder", llama_model_has_encoder(model));
  info.Set("hasDecoder", llama_model_has_decoder(model));
  info.Set("isRecurrent", llama_model_is_recurrent(model));
  info.Set("isHybrid", llama_model_is_hybrid(model));
  info.Set("isDiffusion", llama_model_is_diffusion(model));
  info.Set("slidingWindow", llama_model_n_swa(model));
  info.Set("bos", llama_vocab_bos(vocab));
  info.Set("eos", llama_vocab_eos(vocab));
  info.Set("eot", llama_vocab_eot(vocab));
  info.Set("addsBos", llama_vocab_get_add_bos(vocab));
  info.Set("endTokens", ToArray(env, end_tokens));
  info.Set("controlTexts", control_texts);
  info.Set("definedTexts", defined_texts);
  info.Set("metadata", DescribeMetadata(env, model));
  return info;
}

}  // namespace gpt4all
