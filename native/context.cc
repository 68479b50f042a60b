#include "context.h"

#include <string>
#include <system_error>
#include <utility>

#include "args.h"
#include "entries.h"
#include "hand-over.h"
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

std::shared_ptr<ContextThread> StartThread(Napi::Env env, const std::shared_ptr<Weights>& weights,
                                           const ContextShape& shape) {
  try {
    return std::make_shared<ContextThread>(Environment::Of(env), weights, shape);
  } catch (const std::system_error& error) {
    throw MakeError(env, "ERR_MEMORY", std::string("no thread for a context: ") + error.what());
  }
}

Napi::Value Create(const Napi::CallbackInfo& info,
                   const std::shared_ptr<Napi::FunctionReference>& constructor) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<Weights> weights = Handle<Model>(info[0], "model")->Open(env);
  if (weights->vocab_only || llama_model_has_encoder(weights->model)) {
    throw BadArgument(env, "model", "a decoder with its weights loaded");
  }
  const ContextShape shape = ReadShape(info[1], weights->adapters.size());
  const auto deferred = Napi::Promise::Deferred::New(env);
  // The context's thread destroys the commands below, and may not destroy itself: so they own it through a
  // cell that is empty by then. Its answer owns it instead, whether or not it ran.
  const auto cell = std::make_shared<std::shared_ptr<NewContext>>(
      new NewContext{StartThread(env, weights, shape), weights->vocab_size(), 0, false});
  const std::shared_ptr<ContextThread> thread = (*cell)->thread;
  thread->Submit(
      ContextThread::Kind::kUpkeep,
      [cell, deferred, constructor](LlamaContext& llama) -> Environment::Task {
        NewContext* fresh = cell->get();
        llama_memory_t memory = llama_get_memory(llama.context);
        if (memory == nullptr)
          throw Failure("ERR_LOAD", "this model keeps no state between tokens: it cannot generate");
        fresh->cells = llama_n_ctx_seq(llama.context);
        fresh->can_shift = CanShift(llama.context, fresh->thread->shape.key_type);
        return [fresh = std::move(*cell), deferred, constructor](Napi::Env env) {
          Fulfil(env, deferred, [&] { return HandOver<NewContext>::Construct(*constructor, *fresh); });
        };
      },
      [cell, deferred](Napi::Env env, const Failure& failure) {
        cell->reset();
        deferred.Reject(ToJs(env, failure).Value());
      });
  return deferred.Promise();
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
                                                     InstanceMethod<&Context::SetThreads>("setThreads"),
                                                     InstanceMethod<&Context::Abort>("abort"),
                                                     InstanceMethod<&Context::Close>("close"),
                                                 });
  const auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  reference->SuppressDestruct();
  Napi::Object exported = Napi::Object::New(env);
  exported.Set("create", Napi::Function::New(env, [reference](const Napi::CallbackInfo& info) {
                 return Create(info, reference);
               }));
  return exported;
}

Context::Context(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Context>(info) {
  const Napi::Env env = info.Env();
  const NewContext* fresh = HandOver<NewContext>::Take();
  if (fresh == nullptr) throw BadArgument(env, "Context", "made by Context.create()");
  info.This().As<Napi::Object>().TypeTag(&kTag);
  thread_ = fresh->thread;
  shape_ = fresh->thread->shape;
  shape_.context_size = fresh->cells;
  vocab_size_ = fresh->vocab_size;
  // A forgotten context weighs little in JavaScript: V8 collects it in time only if it knows of the rest.
  Napi::MemoryManagement::AdjustExternalMemory(env, shape_.memory_bytes);

  Napi::Object description = Napi::Object::New(env);
  description.Set("cells", fresh->cells);
  description.Set("sequences", shape_.sequences);
  description.Set("batchSize", shape_.batch_size);
  description.Set("canShift", fresh->can_shift);
  // A property of its own, not an accessor: Node does not check what an accessor is called on.
  info.This().As<Napi::Object>().DefineProperty(
      Napi::PropertyDescriptor::Value("info", description, napi_enumerable));
}

// Safety net for a context that was never closed: joins its thread, which ends at the next node of a graph.
Context::~Context() {
  if (thread_) Napi::MemoryManagement::AdjustExternalMemory(Env(), -shape_.memory_bytes);
}

ContextThread& Context::Open(Napi::Env env) const {
  if (closed_) throw MakeError(env, "ERR_CLOSED", "The context is closed.");
  return *thread_;
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
    thread_->ReportCrowdedRun();
    auto results = std::make_shared<std::vector<StepResult>>(RunSteps(llama.context, *llama.state_layout,
                                                                      *llama.batch, *entries, run,
                                                                      [this] { return thread_->MayGoOn(); }));
    return [entries, results](Napi::Env env) { return ToArray(env, *results, *entries); };
  });
}

Napi::Value Context::EndRun(const Napi::CallbackInfo& info) {
  if (!closed_) thread_->EndRun();
  return info.Env().Undefined();
}

// Work on the context's thread that ends in a promise: it returns a function that makes the value. The
// context is kept from the garbage collector meanwhile, which would abort the step.
Napi::Value Context::Promised(Napi::Env env, ContextThread::Kind kind,
                              std::function<std::function<Napi::Value(Napi::Env)>(LlamaContext&)> work) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  ContextThread& thread = Open(env);
  Ref();
  thread.Submit(
      kind,
      [this, deferred, work = std::move(work)](LlamaContext& llama) -> Environment::Task {
        return [this, deferred, value = work(llama)](Napi::Env env) {
          Unref();
          Fulfil(env, deferred, [&] { return value(env); });
        };
      },
      [this, deferred](Napi::Env env, const Failure& failure) {
        Unref();
        deferred.Reject(ToJs(env, failure).Value());
      });
  return deferred.Promise();
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

Napi::Value Context::SetThreads(const Napi::CallbackInfo& info) {
  const int32_t threads = Integer(info[0], "threads", 1, GGML_MAX_N_THREADS);
  const int32_t batch_threads = Integer(info[1], "batchThreads", 1, GGML_MAX_N_THREADS);
  const bool watch = Boolean(info[2], "watch");
  Open(info.Env())
      .SetThreads({static_cast<int16_t>(threads), static_cast<int16_t>(batch_threads), watch ? 1 : 0});
  return info.Env().Undefined();
}

Napi::Value Context::Abort(const Napi::CallbackInfo& info) {
  if (!closed_) thread_->Abort();
  return info.Env().Undefined();
}

Napi::Value Context::Close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (!thread_) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  closing_.push_back(deferred);
  if (!closed_) {
    closed_ = true;
    Ref();  // not collected while its thread ends
    thread_->Close([this](Napi::Env env) {
      Napi::MemoryManagement::AdjustExternalMemory(env, -shape_.memory_bytes);
      thread_.reset();
      for (const auto& waiting : closing_) waiting.Resolve(env.Undefined());
      closing_.clear();
      Unref();
    });
  }
  return deferred.Promise();
}

}  // namespace gpt4all
