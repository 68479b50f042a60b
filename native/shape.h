// The shape of a context: read from JavaScript, and how much memory it takes.
#pragma once

#include <napi.h>

#include "llama-context.h"

namespace gpt4all {

// NativeContextParams of src/native/contract.ts, checked, for a model with `adapters` adapters.
ContextShape ReadShape(const Napi::Value& value, size_t adapters);

// The bytes to report to V8, so that it collects closed contexts in time. llama.cpp's public API does not
// return the sizes of its buffers: the KV cache is exact for plain transformers, the compute buffers are
// rough.
int64_t EstimateMemory(const llama_model* model, const ContextShape& shape, uint32_t cells);

}  // namespace gpt4all
