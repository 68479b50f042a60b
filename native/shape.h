// The shapes of contexts, as JavaScript asks for it.
#pragma once

#include <napi.h>

#include "llama-context.h"

namespace gpt4all {

// NativeContextParams of src/native/contract.ts, checked, for a model with `adapters` adapters.
ContextShape ReadShape(const Napi::Value& value, size_t adapters);

// NativeEmbedderParams, likewise.
ContextShape ReadEmbedderShape(const Napi::Value& value, size_t adapters);

}  // namespace gpt4all
