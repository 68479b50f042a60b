#include "shape.h"

#include <algorithm>
#include <string>

#include "args.h"
#include "embedding.h"

namespace gpt4all {

namespace {

llama_flash_attn_type ReadFlashAttention(const Napi::Value& value) {
  const std::string text = Text(value, "flashAttention");
  if (text == "auto") return LLAMA_FLASH_ATTN_TYPE_AUTO;
  if (text == "on") return LLAMA_FLASH_ATTN_TYPE_ENABLED;
  if (text == "off") return LLAMA_FLASH_ATTN_TYPE_DISABLED;
  throw BadArgument(value.Env(), "flashAttention", "auto, on or off");
}

ggml_type ReadCacheType(const Napi::Value& value, const char* name) {
  const std::string text = Text(value, name);
  for (const ggml_type type : {GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_F32, GGML_TYPE_Q8_0, GGML_TYPE_Q5_1,
                               GGML_TYPE_Q5_0, GGML_TYPE_Q4_1, GGML_TYPE_Q4_0, GGML_TYPE_IQ4_NL}) {
    if (text == ggml_type_name(type)) return type;
  }
  throw BadArgument(value.Env(), name, "a type of the KV cache");
}

std::vector<float> ReadScales(const Napi::Value& value, size_t count) {
  std::vector<float> scales;
  ForEach(value, "adapterScales", count, [&](const Napi::Value& scale) {
    scales.push_back(static_cast<float>(Number(scale, "adapterScales", -3.4e38, 3.4e38)));
  });
  if (scales.size() != count) {
    throw BadArgument(value.Env(), "adapterScales", "an array with a number for each adapter of the model");
  }
  return scales;
}

enum llama_pooling_type ReadPooling(const Napi::Value& value) {
  const std::string text = Text(value, "pooling");
  if (text == "file") return LLAMA_POOLING_TYPE_UNSPECIFIED;
  for (const auto& [name, type] : kPoolings) {
    if (text == name) return type;
  }
  throw BadArgument(value.Env(), "pooling", "file, none, mean, cls, last or rank");
}

// V8 counts in 64 bits; doubles are exact up to here.
constexpr double kMostMemory = 1ll << 53;

// What both kinds of contexts have.
ContextShape ReadCommon(const Napi::Object& params, size_t adapters) {
  ContextShape shape;
  shape.batch_size = static_cast<uint32_t>(Integer(params.Get("batchSize"), "batchSize", 1, 1 << 20));
  shape.sequences = static_cast<uint32_t>(
      Integer(params.Get("sequences"), "sequences", 1, static_cast<int32_t>(llama_max_parallel_sequences())));
  shape.threads = Integer(params.Get("threads"), "threads", 1, GGML_MAX_N_THREADS);
  shape.batch_threads = Integer(params.Get("batchThreads"), "batchThreads", 1, GGML_MAX_N_THREADS);
  shape.poll = static_cast<uint32_t>(Integer(params.Get("poll"), "poll", 0, 100));
  shape.flash_attention = ReadFlashAttention(params.Get("flashAttention"));
  shape.key_type = ReadCacheType(params.Get("keyType"), "keyType");
  shape.value_type = ReadCacheType(params.Get("valueType"), "valueType");
  shape.adapter_scales = ReadScales(params.Get("adapterScales"), adapters);
  const Napi::Value memory = params.Get("memoryBytes");
  if (!memory.IsUndefined())
    shape.memory_bytes = static_cast<int64_t>(Number(memory, "memoryBytes", 0, kMostMemory));
  return shape;
}

}  // namespace

ContextShape ReadShape(const Napi::Value& value, size_t adapters) {
  const Napi::Object params = Object(value, "params");
  const auto count = [&params](const char* name, int32_t min, int32_t max) {
    return static_cast<uint32_t>(Integer(params.Get(name), name, min, max));
  };
  ContextShape shape = ReadCommon(params, adapters);
  shape.context_size = count("contextSize", 1, 1 << 26);
  shape.micro_batch_size = count("microBatchSize", 1, static_cast<int32_t>(shape.batch_size));
  // llama.cpp reserves an output for each sequence, and asserts that they are allowed.
  shape.max_outputs = count("maxOutputs", static_cast<int32_t>(shape.sequences), 1 << 20);
  if (static_cast<uint64_t>(shape.context_size) * shape.sequences > 1u << 30) {
    throw BadArgument(value.Env(), "contextSize", "smaller for so many sequences");
  }
  return shape;
}

ContextShape ReadEmbedderShape(const Napi::Value& value, size_t adapters) {
  const Napi::Object params = Object(value, "params");
  ContextShape shape = ReadCommon(params, adapters);
  // What is not causal is computed in one piece.
  shape.context_size = shape.micro_batch_size = shape.batch_size;
  shape.max_outputs = std::max(shape.batch_size, shape.sequences);
  shape.embeds = true;
  shape.pooling = ReadPooling(params.Get("pooling"));
  return shape;
}

}  // namespace gpt4all
