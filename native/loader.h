// Loading a model off the JavaScript thread, with progress and cancel.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

namespace gpt4all {

struct Weights;

using WrapWeights = std::function<Napi::Value(std::shared_ptr<Weights>)>;

// Model.load(path, params, onProgress?) -> NativeModelLoad of src/native/contract.ts
Napi::Value StartLoad(const Napi::CallbackInfo& info, WrapWeights wrap);

// Model.isLoaded(path, params)
Napi::Value IsLoaded(const Napi::CallbackInfo& info);

}  // namespace gpt4all
