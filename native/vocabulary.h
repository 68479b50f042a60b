// What a model says about itself, and tokens and bytes as JavaScript gets them.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "llama.h"
#include "tokenizer.h"

namespace gpt4all {

struct Weights;

// What takes long to find out, and is found out on the loading thread.
struct ModelDescription {
  std::string name;
  std::vector<llama_token> end_tokens;
  std::vector<std::string> control_texts, defined_texts;
  std::vector<std::pair<std::string, std::string>> metadata;  // the first 4,096
  // Bytes of a text that one token spells at most; 0 where a token may stand for any number of them.
  uint32_t longest_token = 0;
  ByteTokens byte_tokens;
  bool strips_white_space = false;  // some tokens take the white space around them
};

ModelDescription Describe(const llama_model* model);

Napi::Int32Array ToArray(Napi::Env env, const std::vector<llama_token>& tokens);
Napi::Value ToBytes(Napi::Env env, const std::string& bytes);

// NativeModelInfo of src/native/contract.ts
Napi::Object ToObject(Napi::Env env, const Weights& weights);

}  // namespace gpt4all
