// Writes test/golden/architectures.json: of every architecture that llama.cpp knows the metadata and the tensors of a tiny
// model that it loads and runs. Whatever changes neither the tensors nor the logits is left out of the metadata, so
// that all that is there matters. The sizes come from llama.cpp's own test of its architectures, made smaller where that works.
//
//   v=vendor/llama.cpp b=build/vendor/llama.cpp
//   sed 's/n_embd  = 256;/n_embd  = 64;/; s/n_ff    = 384;/n_ff    = 96;/; s/n_vocab = 128;/n_vocab = 286;/' \
//     $v/tests/test-llama-archs.cpp >/tmp/test-llama-archs.cpp
//   g++ -std=c++17 -O1 -I/tmp -I$v/tests -I$v/src -I$v/include -I$v/common -I$v/ggml/include test/golden/architectures.cc \
//     -o /tmp/architectures $b/common/libllama-common.a $b/src/libllama.a $b/ggml/src/libggml.a \
//     $b/ggml/src/libggml-cpu.a $b/ggml/src/ggml-rpc/libggml-rpc.a $b/ggml/src/libggml-base.a \
//     $b/common/libllama-common-base.a $b/vendor/cpp-httplib/libcpp-httplib.a -lpthread -ldl
//   /tmp/architectures >test/golden/architectures.json
#define main test_llama_archs
#include "test-llama-archs.cpp"
#undef main

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <set>

#include "../src/llama-model.h"

namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;

// What `make` writes, from a child: some of it ends the process. Empty where it does.
std::string InChild(const std::function<std::string()>& make) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    alarm(20);
    std::string text;
    try {
      text = make();
    } catch (const std::exception& e) { if (getenv("VERBOSE")) fprintf(stderr, "%s\n", e.what());
    }
    for (size_t at = 0; at < text.size();) {
      const ssize_t written = write(ends[1], text.data() + at, text.size() - at);
      if (written <= 0) break;
      at += static_cast<size_t>(written);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[65536];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0 && getenv("VERBOSE")) fprintf(stderr, "status %d\n", status);
  return status == 0 ? text : "";
}

// RWKV6QWEN2 with all tensors that it may have is taken for a plain RWKV6, of which it lacks some; PLM never runs in this llama.cpp.
bool Runs(llm_arch arch) { return arch != LLM_ARCH_RWKV6QWEN2 && arch != LLM_ARCH_PLM; }

std::string TensorsOf(llm_arch arch, const llama_model* model) {
  std::string tensors;
  std::set<std::string> names;
  for (const auto& [name, tensor] : llama_internal_get_tensor_map(model)) {
    if (arch == LLM_ARCH_RWKV6QWEN2 && name.find("time_mix_first") != std::string::npos) continue;
    if (!names.insert(name).second) continue;
    tensors += (tensors.empty() ? "[\"" : ",[\"") + name + "\",[";
    for (int i = 0; i < ggml_n_dims(tensor); i++)
      tensors += (i > 0 ? "," : "") + std::to_string(tensor->ne[i]);
    tensors += "]";
    if (tensor->type != GGML_TYPE_F32) tensors += std::string(",\"") + ggml_type_name(tensor->type) + "\"";
    tensors += "]";
  }
  return "[" + tensors + "]";
}

// The tensors, as JSON, and behind a line feed a number that tells the logits.
std::string Run(llm_arch arch, gguf_context* gguf) {
  if (!Runs(arch)) {
    tensor_data_params data = {1, 0.1f};
    const llama_model_ptr model(
        llama_model_init_from_user(gguf, set_tensor_data, &data, llama_model_default_params()));
    return model ? TensorsOf(arch, model.get()) + "\n" : "";
  }
  const auto made = get_model_and_ctx(gguf, nullptr, 1, 0.1f, {});
  const llama_model* model = made.first.get();
  llama_set_n_threads(made.second.get(), 1, 1);
  double sum = 0;
  if (llama_model_has_decoder(model)) {
    const std::vector<llama_token> tokens = {1, 5, 9, 30, 2, 7, 70, 8};
    const bool encodes = llama_model_has_encoder(model);
    const std::vector<float> logits = get_logits(made.first.get(), made.second.get(), tokens, encodes);
    for (size_t i = 0; i < logits.size(); i++) sum += std::isfinite(logits[i]) ? logits[i] * (1 + i % 97) : 1e30;
  }
  return TensorsOf(arch, model) + "\n" + std::to_string(sum);
}

std::string ScalarText(gguf_context* gguf, int64_t key) {
  switch (gguf_get_kv_type(gguf, key)) {
    case GGUF_TYPE_UINT32:
      return "[\"u32\"," + std::to_string(gguf_get_val_u32(gguf, key)) + "]";
    case GGUF_TYPE_INT32:
      return "[\"i32\"," + std::to_string(gguf_get_val_i32(gguf, key)) + "]";
    case GGUF_TYPE_FLOAT32: {
      char text[32];
      snprintf(text, sizeof text, "%.9g", gguf_get_val_f32(gguf, key));
      return std::string("[\"f32\",") + text + "]";
    }
    case GGUF_TYPE_BOOL:
      return std::string("[\"bool\",") + (gguf_get_val_bool(gguf, key) ? "true" : "false") + "]";
    case GGUF_TYPE_STRING:
      return std::string("[\"string\",\"") + gguf_get_val_str(gguf, key) + "\"]";
    default:
      return "";
  }
}

std::string ArrayText(gguf_context* gguf, int64_t key) {
  const size_t count = gguf_get_arr_n(gguf, key);
  const void* data = gguf_get_arr_data(gguf, key);
  std::string values, type;
  for (size_t i = 0; i < count; i++) {
    std::string value;
    switch (gguf_get_arr_type(gguf, key)) {
      case GGUF_TYPE_UINT32:
        type = "u32", value = std::to_string(static_cast<const uint32_t*>(data)[i]);
        break;
      case GGUF_TYPE_UINT64:
        type = "u64", value = std::to_string(static_cast<const uint64_t*>(data)[i]);
        break;
      case GGUF_TYPE_FLOAT32:
        type = "f32", value = std::to_string(static_cast<const float*>(data)[i]);
        break;
      default:
        return "";
    }
    values += (i > 0 ? "," : "") + value;
  }
  return "[\"" + type + "\",[" + values + "]]";
}

std::string ValueText(gguf_context* gguf, int64_t key) {
  return gguf_get_kv_type(gguf, key) == GGUF_TYPE_ARRAY ? ArrayText(gguf, key) : ScalarText(gguf, key);
}

// What llama.cpp's test leaves out, or says otherwise than the architecture wants it.
void Complete(llm_arch arch, gguf_context* gguf) {
  llama_model_saver keys(arch, gguf);
  const uint32_t width = 64, layers = 2;
  switch (arch) {
    case LLM_ARCH_BERT:
    case LLM_ARCH_NOMIC_BERT:
    case LLM_ARCH_NOMIC_BERT_MOE:
    case LLM_ARCH_JINA_BERT_V2:
    case LLM_ARCH_JINA_BERT_V3:
      gguf_set_val_u32(gguf, "tokenizer.ggml.token_type_count", 2);
      keys.add_kv(LLM_KV_MOE_EVERY_N_LAYERS, uint32_t(2));
      keys.add_kv(LLM_KV_EXPERT_COUNT, uint32_t(arch == LLM_ARCH_NOMIC_BERT_MOE ? 4 : 0));
      keys.add_kv(LLM_KV_EXPERT_USED_COUNT, uint32_t(arch == LLM_ARCH_NOMIC_BERT_MOE ? 2 : 0));
      break;
    case LLM_ARCH_GEMMA4:
      keys.add_kv(LLM_KV_ATTENTION_SLIDING_WINDOW_PATTERN, std::vector<uint32_t>{1, 1, 1, 1, 0});
      break;
    case LLM_ARCH_DEEPSEEK2OCR:
      keys.add_kv(LLM_KV_EXPERT_FEED_FORWARD_LENGTH, uint32_t(96));
      keys.add_kv(LLM_KV_EXPERT_COUNT, uint32_t(2));
      keys.add_kv(LLM_KV_EXPERT_USED_COUNT, uint32_t(2));
      keys.add_kv(LLM_KV_EXPERT_SHARED_COUNT, uint32_t(1));
      keys.add_kv(LLM_KV_ROPE_FREQ_BASE, 10000.0f);
      break;
    case LLM_ARCH_RWKV6QWEN2:
    case LLM_ARCH_ARWKV7:
    case LLM_ARCH_RWKV7:
      keys.add_kv(LLM_KV_TOKEN_SHIFT_COUNT, uint32_t(arch == LLM_ARCH_RWKV7 ? 2 : 1));
      for (const llm_kv rank : {LLM_KV_ATTENTION_DECAY_LORA_RANK, LLM_KV_ATTENTION_ICLR_LORA_RANK,
                                LLM_KV_ATTENTION_VALUE_RESIDUAL_MIX_LORA_RANK, LLM_KV_ATTENTION_GATE_LORA_RANK}) {
        keys.add_kv(rank, uint32_t(16));
      }
      break;
    case LLM_ARCH_GRANITE_SWITCH:
      keys.add_kv(LLM_KV_ADAPTER_COUNT, uint32_t(2));
      keys.add_kv(LLM_KV_ADAPTER_LORA_RANK, uint32_t(4));
      keys.add_kv(LLM_KV_ADAPTER_TOKEN_IDS_ACTIVATE, std::vector<uint32_t>{5, 6});
      keys.add_kv(LLM_KV_ADAPTER_TOKEN_IDS_SUBSTITUTE, std::vector<uint32_t>{7, 8});
      keys.add_kv(LLM_KV_BLOCK_COUNT, layers + 1);
      break;
    case LLM_ARCH_PLM:
      keys.add_kv(LLM_KV_ATTENTION_KEY_LENGTH, width / 2);
      keys.add_kv(LLM_KV_ATTENTION_VALUE_LENGTH, width / 4);
      keys.add_kv(LLM_KV_ROPE_DIMENSION_COUNT, width / 4);
      break;
    case LLM_ARCH_MINIMAX_M3:
      keys.add_kv(LLM_KV_ROPE_DIMENSION_COUNT, width / 2);
      break;
    case LLM_ARCH_DEEPSEEK4:
      keys.add_kv(LLM_KV_ATTENTION_OUTPUT_GROUP_COUNT, uint32_t(4));
      break;
    default:
      break;
  }
}

std::string Describe(llm_arch arch, bool moe) {
  const auto make = [&](const std::vector<std::string>& without) {
    gguf_context_ptr gguf = get_gguf_ctx(arch, moe);
    Complete(arch, gguf.get());
    for (const std::string& key : without) gguf_remove_key(gguf.get(), key.c_str());
    return gguf;
  };
  const auto run = [&](const std::vector<std::string>& without) {
    return InChild([&] { return Run(arch, make(without).get()); });
  };
  const std::string whole = run({});
  if (whole.empty()) return "";
  std::vector<std::string> without;
  gguf_context_ptr gguf = make({});
  for (int64_t i = 0; i < gguf_get_n_kv(gguf.get()); i++) {
    const std::string key = gguf_get_key(gguf.get(), i);
    if (key.rfind("tokenizer.", 0) == 0 || key.rfind("general.", 0) == 0) continue;
    without.push_back(key);
    const auto names = [&](const char* part) { return key.find(part) != std::string::npos; };
    const bool unseen = !Runs(arch) && (names("token_shift") || names("layer_norm_rms") || names("rope.dim"));
    const bool required = names("context_length") || unseen || run(without) != whole;
    if (required) without.pop_back();
  }
  gguf = make(without);
  std::string keys;
  for (int64_t i = 0; i < gguf_get_n_kv(gguf.get()); i++) {
    const std::string key = gguf_get_key(gguf.get(), i);
    if (key.rfind("tokenizer.", 0) == 0 || key.rfind("general.", 0) == 0) continue;
    keys += (keys.empty() ? "\"" : ",\"") + key + "\":" + ValueText(gguf.get(), i);
  }
  return "{\"keys\":{" + keys + "},\"tensors\":" + whole.substr(0, whole.find('\n')) + "}";
}

}  // namespace

int main(int argc, char** argv) {
  llama_log_set([](ggml_log_level level, const char* text, void*) { if (level >= GGML_LOG_LEVEL_ERROR && getenv("VERBOSE")) fputs(text, stderr); }, nullptr);
  setenv("GGML_NO_BACKTRACE", "1", 1);
  std::string all;
  for (const llm_arch& arch : llm_arch_all()) {
    if (argc > 1 && !arch_matches(argv[1], arch)) continue;
    for (const bool moe : {false, true}) {
      if (moe ? !moe_implemented(arch) : moe_mandatory(arch)) continue;
      const std::string text = Describe(arch, moe);
      fprintf(stderr, "%s %s %s\n", llm_arch_name(arch), moe ? "moe" : "dense", text.empty() ? "FAILS" : "");
      if (text.empty()) continue;
      const std::string variant = moe && !moe_mandatory(arch) ? "-moe" : "";
      all += (all.empty() ? "\"" : ",\n\"") + std::string(llm_arch_name(arch)) + variant + "\":" + text;
    }
  }
  printf("{\n%s\n}\n", all.c_str());
}
