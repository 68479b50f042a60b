#include "inference.h"

#include <algorithm>
#include <utility>

namespace gpt4all {

Session::Session(const Weights& weights, const ContextShape& shape, ggml_abort_callback abort,
                 void* abort_data) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = shape.context_size * shape.sequences;
  params.n_batch = shape.batch_size;
  params.n_ubatch = shape.micro_batch_size;
  params.n_seq_max = shape.sequences;
  params.n_outputs_max = shape.max_outputs;
  params.n_outputs_max_per_seq = 0;  // as many as n_outputs_max
  params.n_threads = shape.threads;
  params.n_threads_batch = shape.batch_threads;
  params.flash_attn_type = shape.flash_attention;
  params.type_k = shape.key_type;
  params.type_v = shape.value_type;
  params.abort_callback = abort;
  params.abort_callback_data = abort_data;
  params.kv_unified = false;  // a conversation's attention walks its own cells only
  params.swa_full = true;     // so that sliding-window models can roll back as well
  params.no_perf = true;
  context = llama_init_from_model(weights.model, params);
  if (context == nullptr) return;
  std::vector<llama_adapter_lora*> adapters = weights.adapters;
  std::vector<float> scales = shape.adapter_scales;
  if (!adapters.empty()) llama_set_adapters_lora(context, adapters.data(), adapters.size(), scales.data());
  batch = std::make_unique<Batch>(static_cast<int32_t>(shape.batch_size));
  poll_ = shape.poll;
  state_layout = std::make_unique<StateLayout>(context);
}

Session::~Session() {
  if (context != nullptr) llama_free(context);
  for (const auto& [size, pool] : pools_) ggml_threadpool_free(pool);
}

// A pool for each count: it has no more threads than a step uses, as threads without work spin too. A pool
// that another one replaces sleeps; the backend still knows it, so it lives as long as the context.
ggml_threadpool* Session::Pool(int32_t size) {
  ggml_threadpool*& pool = pools_[size];
  if (pool == nullptr) {
    ggml_threadpool_params params = ggml_threadpool_params_default(size);
    params.poll = poll_;
    pool = ggml_threadpool_new(&params);
  }
  return pool;
}

void Session::SetThreads(const ThreadPlan& plan) {
  if (plan.threads == threads_ && plan.batch_threads == batch_threads_) return;
  threads_ = plan.threads;
  batch_threads_ = plan.batch_threads;
  llama_set_n_threads(context, threads_, batch_threads_);
  llama_attach_threadpool(context, Pool(threads_), Pool(batch_threads_));
}

Inference::Inference(std::shared_ptr<Environment> environment, std::shared_ptr<Weights> weights,
                     const ContextShape& shape)
    : shape(shape),
      environment_(std::move(environment)),
      weights_(std::move(weights)),
      threads_(ThreadPlan{static_cast<int16_t>(shape.threads), static_cast<int16_t>(shape.batch_threads), 0}),
      thread_(&Inference::Run, this) {
  environment_->Add(this);
}

// The last owner is on the JavaScript thread, or the process is ending.
Inference::~Inference() {
  Stop();
  environment_->Remove(this);
}

void Inference::Submit(Kind kind, Work work, OnFailure on_failure) {
  environment_->Hold();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ == State::kServing) {
      queue_.push_back({kind, ++last_serial_, std::move(work), std::move(on_failure)});
      wake_.notify_one();
      return;
    }
  }
  Answer([on_failure = std::move(on_failure)](Napi::Env env) {
    on_failure(env, Failure("ERR_CLOSED", "The context is closed."));
  });
}

// Gives back what Submit() or Close() held.
void Inference::Answer(Environment::Task task) {
  environment_->Post([environment = environment_, task = std::move(task)](Napi::Env env) {
    environment->Drop();
    task(env);
  });
}

void Inference::Abort() {
  abort_up_to_ = last_serial_;
}

void Inference::EndRun() {
  end_runs_up_to_ = last_serial_;
}

bool Inference::GoesOn() {
  if (Aborted(running_) || running_ <= end_runs_up_to_) return false;
  crowding_.Start(watched_threads_);
  return true;
}

void Inference::TellCrowdedRun() {
  if (!std::exchange(crowded_run_, false)) return;
  throw Failure("ERR_CROWDED", "other programs use the cores");
}

void Inference::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  const std::lock_guard<std::mutex> lock(join_);
  if (thread_.joinable()) thread_.join();
}

void Inference::Close(Environment::Task done) {
  environment_->Hold();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    if (state_ != State::kGone) {
      on_end_ = std::move(done);
      wake_.notify_one();
      return;
    }
  }
  Answer(std::move(done));
}

// ggml asks between the nodes of a graph, a few hundred times per step.
bool Inference::AbortCallback(void* data) {
  auto* inference = static_cast<Inference*>(data);
  if (inference->crowding_.Crowded()) inference->crowded_ = true;
  const bool abort = inference->crowded_ || inference->Aborted(inference->running_);
  if (abort) inference->log_->ExpectFailure(true);
  return abort;
}

void Inference::Run() {
  LogScope log(weights_->log);
  log_ = &log;
  std::unique_ptr<Session> session;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) break;
    Command command = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Execute(command, session, log);
    lock.lock();
  }
  state_ = State::kEnding;
  lock.unlock();
  session.reset();
  lock.lock();
  state_ = State::kGone;
  if (on_end_) Answer(std::move(on_end_));
}

// A step that was given up says so in llama.cpp's one way; this says why.
Failure Inference::WhyAborted(const Failure& failure, uint64_t serial) const {
  if (std::string(failure.code()) != "ERR_ABORTED") return failure;
  if (closing_) return Failure("ERR_CLOSED", "The context was closed.");
  if (crowded_ && !Aborted(serial)) return Failure("ERR_CROWDED", "other programs use the cores");
  return failure;
}

void Inference::Execute(Command& command, std::unique_ptr<Session>& session, LogScope& log) {
  Environment::Task deliver;
  try {
    if (closing_) throw Failure("ERR_CLOSED", "The context is closed.");
    if (command.kind == Kind::kStep) {
      if (Aborted(command.serial)) throw Failure("ERR_ABORTED", "the step was aborted");
      running_ = command.serial;
    }
    if (!session) {
      auto opened = std::make_unique<Session>(*weights_, shape, &Inference::AbortCallback, this);
      if (opened->context == nullptr) {
        const std::string errors = log.TakeErrors("llama.cpp could not make a context");
        throw Failure(errors.find("alloc") != std::string::npos ? "ERR_MEMORY" : "ERR_LOAD", errors);
      }
      session = std::move(opened);
    }
    const ThreadPlan plan = threads_;
    session->SetThreads(plan);
    watched_threads_ = plan.watch != 0 ? std::max(plan.threads, plan.batch_threads) : 0;
    crowding_.Start(watched_threads_);
    log.ExpectFailure(false);
    crowded_ = false;
    deliver = command.work(*session);
    if (crowded_) crowded_run_ = true;
  } catch (const Failure& failure) {
    deliver = [on_failure = command.on_failure,
               failure = WhyAborted(failure, command.serial)](Napi::Env env) { on_failure(env, failure); };
  } catch (const std::bad_alloc&) {
    deliver = [on_failure = command.on_failure](Napi::Env env) {
      on_failure(env, Failure("ERR_MEMORY", "not enough memory"));
    };
  } catch (const std::exception& error) {
    deliver = [on_failure = command.on_failure, what = std::string(error.what())](Napi::Env env) {
      on_failure(env, Failure("ERR_DECODE", what));
    };
  }
  running_ = kNoStep;
  Answer(std::move(deliver));
}

}  // namespace gpt4all
