// What a context is made with: read from JavaScript, and how much memory it will take.
#pragma once

#include <napi.h>

#include "llama-context.h"

namespace gpt4all {

// NativeContextParams of src/native/contract.ts, checked, for a model with so many adapters.
ContextShape ReadShape(const Napi::Value& value, size_t adapters);

// What V8 is told, so that it collects closed contexts in time. llama.cpp's public API does not tell the
// sizes of its buffers: the KV cache exactly for plain transformers, the compute buffers roughly.
int64_t EstimateMemory(const llama_model* model, const ContextShape& shape, uint32_t cells);

}  // namespace gpt4all
