#include "embedding.h"

#include <algorithm>
#include <cmath>

#include "failure.h"

namespace gpt4all {

int32_t VectorSize(const llama_context* context) {
  const llama_model* model = llama_get_model(context);
  return llama_pooling_type(context) == LLAMA_POOLING_TYPE_RANK
             ? static_cast<int32_t>(llama_model_n_cls_out(model))
             : llama_model_n_embd_out(model);
}

std::vector<float> Embed(LlamaContext& llama, const std::vector<llama_token>& tokens,
                         const std::vector<int32_t>& lengths) {
  Batch& batch = *llama.batch;
  batch.Clear();
  std::vector<int32_t> last;  // of each sequence, within the batch
  auto token = tokens.begin();
  for (size_t sequence = 0; sequence < lengths.size(); sequence++) {
    for (llama_pos position = 0; position < lengths[sequence]; position++)
      batch.Add(*token++, position, static_cast<llama_seq_id>(sequence), true);
    last.push_back(batch.get().n_tokens - 1);
  }
  const llama_memory_t memory = llama_get_memory(llama.context);
  if (memory != nullptr) llama_memory_clear(memory, false);
  Decode(llama.context, batch);

  const bool is_pooled = llama_pooling_type(llama.context) != LLAMA_POOLING_TYPE_NONE;
  const auto size = static_cast<size_t>(VectorSize(llama.context));
  std::vector<float> vectors(size * lengths.size());
  for (size_t sequence = 0; sequence < lengths.size(); sequence++) {
    const float* vector = is_pooled
                              ? llama_get_embeddings_seq(llama.context, static_cast<llama_seq_id>(sequence))
                              : llama_get_embeddings_ith(llama.context, last[sequence]);
    if (vector == nullptr) throw Failure("ERR_DECODE", "llama.cpp gave no vector");
    if (!std::all_of(vector, vector + size, [](float number) { return std::isfinite(number); }))
      throw Failure("ERR_LOGITS", "the model's vectors are not numbers");
    std::copy_n(vector, size, vectors.begin() + static_cast<std::ptrdiff_t>(sequence * size));
  }
  return vectors;
}

}  // namespace gpt4all
