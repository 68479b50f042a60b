#include "context.h"

#include <memory>
#include <string>
#include <utility>

#include "args.h"
#include "entries.h"
#include "shape.h"
#include "state.h"
#include "vocabulary.h"

namespace gpt4all {

const napi_type_tag Context::kTag = {0x91e3c5d07b2a4f68, 0xa4d6f80e2c1b3975};

namespace {

// What a finished creation hands to the wrapper's constructor.
struct NewContext {
  std::shared_ptr<ContextThread> thread;
  int32_t vocab_size;
  uint32_t cells;
  bool can_shift;
};

// Of a sliding-window cache one half may be empty: llama.cpp asserts that it is not when it shifts. Keys of
// bf16 cannot be rotated in place: ggml aborts.
bool CanShift(llama_context* context, ggml_type key_type) {
  return llama_memory_can_shift(llama_get_memory(context)) &&
         llama_model_n_swa(llama_get_model(context)) == 0 && key_type != GGML_TYPE_BF16;
}

Napi::Value Create(const Napi::CallbackInfo& info,
                   const std::shared_ptr<Napi::FunctionReference>& constructor) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Weights> weights = Handle<Model>(info[0], "model")->Open(env);
  if (weights->vocab_only || llama_model_has_encoder(weights->model)) {
    throw BadArgument(env, "model", "a decoder with its weights loaded");
  }
  const ContextShape shape = ReadShape(info[1], weights->adapters.size());
  return Constructed<NewContext>(
      env, constructor, {StartThread(env, weights, shape), weights->vocab_size(), 0, false},
      [key_type = shape.key_type](const LlamaContext& llama, NewContext& fresh) {
        if (llama_get_memory(llama.context) == nullptr)
          throw Failure("ERR_LOAD", "this model keeps no state between tokens: it cannot generate");
        fresh.cells = llama_n_ctx_seq(llama.context);
        fresh.can_shift = CanShift(llama.context, key_type);
      });
}

}  // namespace

Napi::Object Context::Init(Napi::Env env) {
  const Napi::Function constructor = DefineClass(env, "Context",
                                                 {
                                                     InstanceMethod<&Context::Eval>("eval"),
                                                     InstanceMethod<&Context::EndRun>("endRun"),
                                                     InstanceMethod<&Context::Remove>("remove"),
                                                     InstanceMethod<&Context::Copy>("copy"),
                                                     InstanceMethod<&Context::Shift>("shift"),
                                                     InstanceMethod<&Context::Positions>("positions"),
                                                     InstanceMethod<&Context::Save>("save"),
                                                     InstanceMethod<&Context::Restore>("restore"),
                                                     InstanceMethod("setThreads", &Context::SetThreads),
                                                     InstanceMethod("abort", &Context::Abort),
                                                     InstanceMethod("close", &Context::Close),
                                                 });
  const auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  reference->SuppressDestruct();
  Napi::Object exported = Napi::Object::New(env);
  exported.Set("create", Napi::Function::New(env, [reference](const Napi::CallbackInfo& info) {
                 return Create(info, reference);
               }));
  return exported;
}

Context::Context(const Napi::CallbackInfo& info) : ContextHandle<Context>(info) {
  const Napi::Env env = info.Env();
  const NewContext* fresh = HandOver<NewContext>::Take();
  if (fresh == nullptr) throw BadArgument(env, "Context", "made by Context.create()");
  info.This().As<Napi::Object>().TypeTag(&kTag);
  Adopt(env, fresh->thread);
  shape_ = fresh->thread->shape;
  shape_.context_size = fresh->cells;
  vocab_size_ = fresh->vocab_size;

  Napi::Object description = Napi::Object::New(env);
  description.Set("cells", fresh->cells);
  description.Set("sequences", shape_.sequences);
  description.Set("batchSize", shape_.batch_size);
  description.Set("canShift", fresh->can_shift);
  // A property of its own, not an accessor: Node does not check what an accessor is called on.
  info.This().As<Napi::Object>().DefineProperty(
      Napi::PropertyDescriptor::Value("info", description, napi_enumerable));
}

llama_seq_id Context::Sequence(const Napi::Value& value) const {
  return Integer(value, "sequence", 0, static_cast<int32_t>(shape_.sequences) - 1);
}

Napi::Value Context::Eval(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Open(env);
  const auto entries = std::make_shared<std::vector<StepEntry>>(ReadEntries(info[0], shape_, vocab_size_));
  const Run run = ReadRun(info[1], *entries, shape_);
  return Promised(env, ContextThread::Kind::kStep, [this, entries, run](LlamaContext& llama) {
    thread()->ReportCrowdedRun();
    auto results = std::make_shared<std::vector<StepResult>>(
        RunSteps(llama.context, *llama.state_layout, *llama.batch, *entries, run,
                 [this] { return thread()->MayGoOn(); }));
    return [entries, results](Napi::Env env) { return ToArray(env, *results, *entries); };
  });
}

Napi::Value Context::EndRun(const Napi::CallbackInfo& info) {
  if (!is_closed()) thread()->EndRun();
  return info.Env().Undefined();
}

Napi::Value Context::Remove(const Napi::CallbackInfo& info) {
  const llama_seq_id sequence = Sequence(info[0]);
  const int32_t from = Integer(info[1], "from", 0, INT32_MAX), to = Integer(info[2], "to", -1, INT32_MAX);
  return Promised(info.Env(), ContextThread::Kind::kUpkeep, [=](LlamaContext& llama) {
    const bool removed = llama_memory_seq_rm(llama_get_memory(llama.context), sequence, from, to);
    return [removed](Napi::Env env) { return Napi::Boolean::New(env, removed); };
  });
}

Napi::Value Context::Copy(const Napi::CallbackInfo& info) {
  const llama_seq_id from = Sequence(info[0]), to = Sequence(info[1]);
  return Promised(info.Env(), ContextThread::Kind::kUpkeep, [=](LlamaContext& llama) {
    // Not llama_memory_seq_cp: between streams it copies with the next decode, over whatever came there
    // since.
    if (from != to) CopyState(llama.context, from, to);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Napi::Value Context::Shift(const Napi::CallbackInfo& info) {
  const llama_seq_id sequence = Sequence(info[0]);
  const int32_t from = Integer(info[1], "from", 0, INT32_MAX), to = Integer(info[2], "to", from, INT32_MAX);
  return Promised(
      info.Env(), ContextThread::Kind::kUpkeep, [=, key_type = shape_.key_type](LlamaContext& llama) {
        llama_memory_t memory = llama_get_memory(llama.context);
        const bool can = CanShift(llama.context, key_type) && llama_memory_seq_rm(memory, sequence, from, to);
        if (can) llama_memory_seq_add(memory, sequence, to, -1, from - to);
        return [can](Napi::Env env) { return Napi::Boolean::New(env, can); };
      });
}

Napi::Value Context::Positions(const Napi::CallbackInfo& info) {
  const llama_seq_id sequence = Sequence(info[0]);
  return Promised(info.Env(), ContextThread::Kind::kUpkeep, [=](LlamaContext& llama) {
    llama_memory_t memory = llama_get_memory(llama.context);
    const llama_pos min = llama_memory_seq_pos_min(memory, sequence);
    const llama_pos max = llama_memory_seq_pos_max(memory, sequence);
    return [min, max](Napi::Env env) {
      Napi::Object positions = Napi::Object::New(env);
      positions.Set("min", min);
      positions.Set("max", max);
      return positions;
    };
  });
}

Napi::Value Context::Save(const Napi::CallbackInfo& info) {
  const llama_seq_id sequence = Sequence(info[0]);
  return Promised(info.Env(), ContextThread::Kind::kUpkeep, [=](LlamaContext& llama) {
    return [state = SaveState(llama.context, sequence, *llama.state_layout)](Napi::Env env) {
      return ToBytes(env, state);
    };
  });
}

Napi::Value Context::Restore(const Napi::CallbackInfo& info) {
  const llama_seq_id sequence = Sequence(info[0]);
  const Napi::Uint8Array given = Bytes(info[1], "state");
  std::string state(given.Data(), given.Data() + given.ElementLength());
  return Promised(info.Env(), ContextThread::Kind::kUpkeep,
                  [sequence, state = std::move(state)](LlamaContext& llama) mutable {
                    RestoreState(llama.context, sequence, state, *llama.state_layout);
                    return [](Napi::Env env) { return env.Undefined(); };
                  });
}

}  // namespace gpt4all
