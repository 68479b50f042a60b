// Text to tokens and back, and what a model says of itself.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "llama.h"

namespace gpt4all {

struct Weights;

// Any thread: llama.cpp's vocabulary is read-only after loading. Throws Failure.
std::vector<llama_token> Tokenize(const llama_vocab* vocab, const std::string& text, bool add_special,
                                  bool parse_special);
std::string Detokenize(const llama_vocab* vocab, const std::vector<llama_token>& tokens, bool special);
// Raw bytes; a token may hold a part of a UTF-8 character.
std::string TokenBytes(const llama_vocab* vocab, llama_token token, bool special);

Napi::Int32Array ToArray(Napi::Env env, const std::vector<llama_token>& tokens);
Napi::Value ToBytes(Napi::Env env, const std::string& bytes);

// NativeModelInfo of src/native/types.ts
Napi::Object DescribeModel(Napi::Env env, const Weights& weights);

}  // namespace gpt4all
