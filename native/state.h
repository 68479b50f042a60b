// The state of a sequence as bytes, with a checksum. Plain computation on the context's thread, no N-API.
#pragma once

#include <string>

#include "llama.h"
#include "state-layout.h"

namespace gpt4all {

// A plain one is for any context of this model with the same kind of cache, however many sequences it has,
// else for one of as many. Throws Failure (ERR_STATE).
std::string SaveState(llama_context* context, llama_seq_id sequence, const StateLayout& layout);

// Throws Failure (ERR_STATE) and leaves the sequence empty when the bytes are damaged or do not fit, whoever
// made them. `state` is changed.
void RestoreState(llama_context* context, llama_seq_id sequence, std::string& state,
                  const StateLayout& layout);

// Writes the checksum of a state into its first bytes.
void SealState(std::string& state);

// Within a context.
void CopyState(llama_context* context, llama_seq_id from, llama_seq_id to);

// Empties the sequence, and writes zeros over what its cells have held: attention multiplies what is hidden
// from it by zero, so a number that is none would spoil whoever comes there next. Other sequences keep what
// they have, except where the layout of this memory is not known: then all are emptied.
void EraseState(llama_context* context, llama_seq_id sequence, const StateLayout& layout);

}  // namespace gpt4all
