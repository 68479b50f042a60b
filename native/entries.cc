#include "entries.h"

#include <algorithm>

#include "args.h"
#include "sampler.h"
#include "vocabulary.h"

namespace gpt4all {

namespace {

void ReadOutputs(const Napi::Object& object, int32_t vocab_size, StepEntry& entry) {
  const auto count = static_cast<int32_t>(entry.tokens.size());
  const Napi::Value outputs = object.Get("outputs");
  if (!outputs.IsUndefined()) {
    int32_t from = 0;
    ForEach(outputs, "outputs", entry.tokens.size(), [&](const Napi::Value& output) {
      entry.outputs.push_back(Integer(output, "outputs", from, count - 1));
      from = entry.outputs.back() + 1;  // ascending
    });
  }
  const Napi::Value logits = object.Get("logits");
  if (!logits.IsUndefined()) entry.logits = Boolean(logits, "logits");
  const Napi::Value logprobs = object.Get("logprobs");
  if (!logprobs.IsUndefined()) entry.logprobs = Integer(logprobs, "logprobs", 0, vocab_size);
}

StepEntry ReadEntry(const Napi::Value& value, const ContextShape& shape, int32_t vocab_size) {
  const Napi::Object object = Object(value, "entries");
  StepEntry entry;
  entry.sequence = Integer(object.Get("sequence"), "sequence", 0, static_cast<int32_t>(shape.sequences) - 1);
  entry.position =
      Integer(object.Get("position"), "position", 0, static_cast<int32_t>(shape.context_size) - 1);
  entry.tokens = Tokens(object.Get("tokens"), "tokens", vocab_size, shape.batch_size);
  const Napi::Value sampler = object.Get("sampler");
  if (!sampler.IsUndefined()) {
    entry.sampler = Handle<Sampler>(sampler, "sampler")->shared();
    if (entry.sampler->draw.vocab_size() != vocab_size) {
      throw BadArgument(value.Env(), "sampler", "made for this vocabulary");
    }
  }
  ReadOutputs(object, vocab_size, entry);
  return entry;
}

// llama.cpp asserts on some of these, and silently misbehaves on others.
void CheckStep(Napi::Env env, const std::vector<StepEntry>& entries, const ContextShape& shape) {
  size_t tokens = 0, outputs = 0;
  std::vector<bool> seen(shape.sequences);
  for (const StepEntry& entry : entries) {
    const size_t count = entry.tokens.size();
    if (count == 0) throw BadArgument(env, "tokens", "at least one token");
    if (static_cast<size_t>(entry.position) + count > shape.context_size) {
      throw BadArgument(env, "tokens", "within the cells of a sequence");
    }
    if (seen[static_cast<size_t>(entry.sequence)]) throw BadArgument(env, "entries", "one per sequence");
    seen[static_cast<size_t>(entry.sequence)] = true;
    tokens += count;
    outputs += entry.outputs.size();
  }
  if (tokens == 0 || tokens > shape.batch_size)
    throw BadArgument(env, "entries", "1 to batchSize tokens together");
  if (outputs > shape.max_outputs) throw BadArgument(env, "outputs", "no more than maxOutputs together");
}

Napi::Object ToObject(Napi::Env env, const StepResult& result, const StepEntry& entry) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokens", ToArray(env, result.tokens));
  const auto floats = [env](const std::vector<float>& values) {
    auto array = Napi::Float32Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
  };
  if (entry.logits) {
    Napi::Array rows = Napi::Array::New(env, result.logits.size());
    for (uint32_t i = 0; i < result.logits.size(); i++) rows.Set(i, floats(result.logits[i]));
    object.Set("logits", rows);
  }
  if (entry.logprobs >= 0) {
    Napi::Array list = Napi::Array::New(env, result.logprobs.size());
    for (uint32_t i = 0; i < result.logprobs.size(); i++) {
      Napi::Object one = Napi::Object::New(env);
      one.Set("logprob", result.logprobs[i].logprob);
      one.Set("topTokens", ToArray(env, result.logprobs[i].tokens));
      one.Set("topLogprobs", floats(result.logprobs[i].logprobs));
      list.Set(i, one);
    }
    object.Set("logprobs", list);
  }
  if (result.failure) object.Set("error", ToJs(env, *result.failure).Value());
  return object;
}

}  // namespace

std::vector<StepEntry> ReadEntries(const Napi::Value& value, const ContextShape& shape, int32_t vocab_size) {
  std::vector<StepEntry> entries;
  ForEach(value, "entries", shape.sequences,
          [&](const Napi::Value& entry) { entries.push_back(ReadEntry(entry, shape, vocab_size)); });
  CheckStep(value.Env(), entries, shape);
  return entries;
}

Run ReadRun(const Napi::Value& value, const std::vector<StepEntry>& entries, const ContextShape& shape) {
  Run run;
  if (value.IsUndefined()) return run;
  const Napi::Object object = Object(value, "run");
  run.steps = Integer(object.Get("steps"), "steps", 1, static_cast<int32_t>(shape.context_size));
  run.milliseconds = Number(object.Get("milliseconds"), "milliseconds", 0, 1e6);
  if (run.steps == 1) return run;
  for (const StepEntry& entry : entries) {
    const auto count = static_cast<int32_t>(entry.tokens.size());
    if (!entry.sampler || entry.outputs != std::vector<int32_t>{count - 1}) {
      throw BadArgument(value.Env(), "run", "one step, where an entry does not draw one token from its last");
    }
    if (entry.position + count + run.steps - 1 > static_cast<int32_t>(shape.context_size)) {
      throw BadArgument(value.Env(), "steps", "within the cells of a sequence");
    }
  }
  return run;
}

Napi::Value ToArray(Napi::Env env, const std::vector<StepResult>& results,
                    const std::vector<StepEntry>& entries) {
  Napi::Array array = Napi::Array::New(env, results.size());
  for (uint32_t i = 0; i < results.size(); i++) array.Set(i, ToObject(env, results[i], entries[i]));
  return array;
}

}  // namespace gpt4all
