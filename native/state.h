// The state of a sequence as bytes, with a checksum. Plain computation on the context's thread, no N-API.
#pragma once

#include <string>

#include "llama.h"
#include "state-layout.h"

namespace gpt4all {

// A state of a plain layout is for any context of this model with the same kind of cache, however many
// sequences it has; any other is for contexts with as many sequences. Throws Failure (ERR_STATE).
std::string SaveState(llama_context* context, llama_seq_id sequence, const StateLayout& layout);

// Throws Failure (ERR_STATE) and leaves the sequence empty if the bytes are damaged, forged or do not fit.
// `state` is changed.
void RestoreState(llama_context* context, llama_seq_id sequence, std::string& state,
                  const StateLayout& layout);

// Writes the checksum of a state into its first bytes.
void SealState(std::string& state);

// Copies a sequence to another one of the same context.
void CopyState(llama_context* context, llama_seq_id from, llama_seq_id to);

// Empties the sequence and writes zeros over its cells: attention multiplies hidden cells by zero, so a NaN
// would spoil the next sequence that uses them. Other sequences keep their cells, unless the layout of this
// memory is unknown: then all are emptied.
void EraseState(llama_context* context, llama_seq_id sequence, const StateLayout& layout);

}  // namespace gpt4all
