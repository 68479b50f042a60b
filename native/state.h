// The state of a sequence as bytes, with a checksum. Plain computation on the context's thread, no N-API.
#pragma once

#include <string>

#include "llama.h"

namespace gpt4all {

std::string SaveState(llama_context* context, llama_seq_id sequence);

// Throws Failure (ERR_STATE) and leaves the sequence empty when the bytes are damaged or do not fit.
void RestoreState(llama_context* context, llama_seq_id sequence, const std::string& state);

}  // namespace gpt4all
