// States of sequences as a stranger writes them, every checksum right: first the kind of memory, then the state.
#include <iterator>
#include <map>
#include <memory>

#include "failure.h"
#include "state.h"
#include "step.h"
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
  std::unique_ptr<gpt4all::Batch> batch;
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
  opened.batch = std::make_unique<gpt4all::Batch>(static_cast<int32_t>(params.n_batch));
  return opened;
}

// Whether its logits are numbers: those that llama.cpp can hold may still become infinite on their way through the
// layers, and then nothing is left of the sequence.
bool Step(const Opened& opened, llama_seq_id sequence, llama_pos position, int32_t count) {
  gpt4all::StepEntry entry{sequence, position, {}, nullptr, {count - 1}};
  for (int32_t i = 0; i < count; i++) entry.tokens.push_back(5 + i);
  try {
    const auto results =
        gpt4all::RunSteps(opened.context, *opened.layout, *opened.batch, {entry}, {}, [] { return false; });
    const llama_pos last = llama_memory_seq_pos_max(llama_get_memory(opened.context), sequence);
    if (results[0].is_spoilt() && last != -1) Fault("its logits are no numbers, and it is not empty");
    return !results[0].is_spoilt();
  } catch (const gpt4all::Failure& failure) {
    Fault(failure.what());
  }
}

// What comes next in both sequences; and in both when they are begun anew, where nothing is left of what was there.
void GoOn(const Opened& opened) {
  llama_memory_t memory = llama_get_memory(opened.context);
  for (llama_seq_id sequence = 0; sequence < static_cast<llama_seq_id>(kSequences); sequence++) {
    const llama_pos next = llama_memory_seq_pos_max(memory, sequence) + 1;
    if (next < 0 || next > static_cast<llama_pos>(kCells)) Fault("a position that there is not");
    if (next < static_cast<llama_pos>(kCells)) Step(opened, sequence, next, 1);
    llama_memory_seq_rm(memory, sequence, -1, -1);
    if (!Step(opened, sequence, 0, 4)) Fault("the logits are no numbers");
    llama_memory_seq_rm(memory, sequence, -1, -1);
  }
}

}  // namespace

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (size_t kind = 0; kind < std::size(kKinds); kind++) {
    const Opened& opened = Context(kind);
    for (const int32_t count : {0, 1, 5}) {
      if (count > 0 && !Step(opened, 0, 0, count)) Fault("the logits are no numbers");
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
  if (came || ++refused % 256 == 0) GoOn(opened);
  return 0;
}
