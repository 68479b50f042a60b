// States of sequences as a stranger writes them, every checksum right: first the kind of memory, then the state.
#include <cmath>
#include <iterator>
#include <map>
#include <memory>

#include "failure.h"
#include "state.h"
#include "target.h"

namespace {

using gpt4all::StateLayout;

struct Kind {
  const char* model;
  ggml_type type;
  llama_flash_attn_type flash_attention;
};
constexpr Kind kKinds[] = {
    {"llama", GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED},
    {"llama", GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_DISABLED},
    {"llama", GGML_TYPE_BF16, LLAMA_FLASH_ATTN_TYPE_ENABLED},
    {"llama", GGML_TYPE_F32, LLAMA_FLASH_ATTN_TYPE_DISABLED},
    {"gemma3", GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED},
    {"mamba", GGML_TYPE_F32, LLAMA_FLASH_ATTN_TYPE_DISABLED},
    {"lfm2", GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED},
};
constexpr uint32_t kCells = 256, kSequences = 2;
constexpr size_t kChecksum = 8;

struct Opened {
  llama_context* context;
  std::unique_ptr<StateLayout> layout;
};

Opened& Context(size_t kind) {
  static std::map<size_t, Opened> contexts;
  Opened& opened = contexts[kind];
  if (opened.layout) return opened;
  llama_context_params params = llama_context_default_params();
  params.n_ctx = kCells * kSequences;
  params.n_batch = params.n_ubatch = 32;
  params.n_seq_max = kSequences;
  params.n_threads = params.n_threads_batch = 1;
  params.flash_attn_type = kKinds[kind].flash_attention;
  params.type_k = params.type_v = kKinds[kind].type;
  params.kv_unified = false;
  params.swa_full = true;
  opened.context = llama_init_from_model(TinyModel(kKinds[kind].model), params);
  if (opened.context == nullptr) Fault("no context");
  opened.layout = std::make_unique<StateLayout>(opened.context);
  return opened;
}

// Numbers that llama.cpp can hold may still become infinite on their way through the layers.
enum class Logits { kFinite, kAny };

void Decode(llama_context* context, llama_seq_id sequence, llama_pos position, int32_t count, Logits expected) {
  llama_batch batch = llama_batch_init(count, 0, 1);
  for (int32_t i = 0; i < count; i++) {
    batch.token[i] = 5 + i;
    batch.pos[i] = position + i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = sequence;
    batch.logits[i] = i == count - 1;
  }
  batch.n_tokens = count;
  const int32_t status = llama_decode(context, batch);
  llama_batch_free(batch);
  if (status != 0) Fault("llama_decode fails");
  const float* logits = llama_get_logits_ith(context, -1);
  if (logits == nullptr) Fault("no logits");
  if (expected == Logits::kFinite && !std::isfinite(logits[0])) Fault("the logits are no numbers");
}

// What comes next in both sequences; and in both when they are begun anew, where nothing is left of what was there.
void GoOn(llama_context* context) {
  llama_memory_t memory = llama_get_memory(context);
  for (llama_seq_id sequence = 0; sequence < static_cast<llama_seq_id>(kSequences); sequence++) {
    const llama_pos next = llama_memory_seq_pos_max(memory, sequence) + 1;
    if (next < 0 || next > static_cast<llama_pos>(kCells)) Fault("a position that there is not");
    if (next < static_cast<llama_pos>(kCells)) Decode(context, sequence, next, 1, Logits::kAny);
    llama_memory_seq_rm(memory, sequence, -1, -1);
    Decode(context, sequence, 0, 4, Logits::kFinite);
    llama_memory_seq_rm(memory, sequence, -1, -1);
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (size_t kind = 0; kind < std::size(kKinds); kind++) {
    const Opened& opened = Context(kind);
    for (const int32_t count : {0, 1, 5}) {
      if (count > 0) Decode(opened.context, 0, 0, count, Logits::kFinite);
      const std::string state = gpt4all::SaveState(opened.context, 0, *opened.layout);
      seeds.push_back(static_cast<char>(kind) + state.substr(kChecksum));
      llama_memory_seq_rm(llama_get_memory(opened.context), 0, -1, -1);
    }
  }
  return seeds;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Opened& opened = Context(data[0] % std::size(kKinds));
  std::string state(kChecksum, '\0');
  state.append(data + 1, data + size);
  gpt4all::SealState(state);
  bool came = true;
  try {
    gpt4all::RestoreState(opened.context, 0, state, *opened.layout);
  } catch (const gpt4all::Failure&) {
    came = false;
    if (llama_memory_seq_pos_max(llama_get_memory(opened.context), 0) != -1) Fault("refused, and not empty");
  }
  static int refused = 0;
  if (came || ++refused % 256 == 0) GoOn(opened.context);
  return 0;
}
