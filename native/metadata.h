// Numbers of a model's own metadata (llama_model_meta_val_str). No N-API.
#pragma once

#include "llama.h"

namespace gpt4all {

// `<architecture>.<name>` where it is there and more than 0, else `otherwise`.
double MetaNumber(const llama_model* model, const char* name, double otherwise);

}  // namespace gpt4all
