// The step as it crosses the boundary: NativeEvalEntry and NativeEvalResult of src/native/contract.ts.
#pragma once

#include <napi.h>

#include <vector>

#include "llama-context.h"
#include "step.h"

namespace gpt4all {

// Throws ERR_ARGUMENT unless llama.cpp can take the whole step. `shape.context_size` is what the cache really
// holds.
std::vector<StepEntry> ReadEntries(const Napi::Value& value, const ContextShape& shape, int32_t vocab_size);

// `undefined` is one step.
Run ReadRun(const Napi::Value& value, const std::vector<StepEntry>& entries, const ContextShape& shape);

Napi::Value ToArray(Napi::Env env, const std::vector<StepResult>& results,
                    const std::vector<StepEntry>& entries);

}  // namespace gpt4all
