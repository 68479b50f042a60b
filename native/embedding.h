// Vectors of whole sequences of tokens. Plain data and computation on the context's thread, no N-API.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "llama-context.h"

namespace gpt4all {

// How the vectors of a sequence's tokens become one, by name.
constexpr std::pair<const char*, enum llama_pooling_type> kPoolings[] = {
    {"none", LLAMA_POOLING_TYPE_NONE}, {"mean", LLAMA_POOLING_TYPE_MEAN}, {"cls", LLAMA_POOLING_TYPE_CLS},
    {"last", LLAMA_POOLING_TYPE_LAST}, {"rank", LLAMA_POOLING_TYPE_RANK},
};

// Numbers of one sequence's vector, or of its scores where the pooling is `rank`.
int32_t VectorSize(const llama_context* context);

// Computes the sequences of a batch, `lengths[i]` of `tokens` each, and returns their vectors one after the
// other: unpooled, that of the last token. Nothing of them stays in the context. Throws Failure.
std::vector<float> Embed(LlamaContext& llama, const std::vector<llama_token>& tokens,
                         const std::vector<int32_t>& lengths);

}  // namespace gpt4all
