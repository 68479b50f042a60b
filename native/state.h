// The state of a sequence as bytes, with a checksum. Plain computation on the context's thread, no N-API.
#pragma once

#include <string>

#include "llama.h"

namespace gpt4all {

// Whether a state is that of one KV cache, and nothing behind it; `context` is new, and empty.
bool StatesArePlain(llama_context* context);

// A plain one is for any context of this model with the same kind of cache, however many sequences it has,
// else for one of as many.
std::string SaveState(llama_context* context, llama_seq_id sequence, bool is_plain);

// Throws Failure (ERR_STATE) and leaves the sequence empty when the bytes are damaged or do not fit. `state`
// is changed.
void RestoreState(llama_context* context, llama_seq_id sequence, std::string& state, bool is_plain);

// Within a context.
void CopyState(llama_context* context, llama_seq_id from, llama_seq_id to);

}  // namespace gpt4all
