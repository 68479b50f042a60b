// Numbers of a model's own metadata (llama_model_meta_val_str). No N-API.
#pragma once

#include "llama.h"

namespace gpt4all {

// `<architecture>.<name>` if the model has it and it is more than 0, else `otherwise`.
double MetaNumber(const llama_model* model, const char* name, double otherwise);

}  // namespace gpt4all
