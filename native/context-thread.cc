#include "context-thread.h"

#include <algorithm>
#include <utility>

namespace gpt4all {

ContextThread::ContextThread(std::shared_ptr<Environment> environment, std::shared_ptr<Weights> weights,
                             const ContextShape& shape)
    : shape(shape),
      environment_(std::move(environment)),
      weights_(std::move(weights)),
      threads_(ThreadPlan{static_cast<int16_t>(shape.threads), static_cast<int16_t>(shape.batch_threads), 0}),
      thread_(&ContextThread::Serve, this) {
  environment_->Add(this);
}

// The last owner is on the JavaScript thread, or the process is ending.
ContextThread::~ContextThread() {
  Stop();
  environment_->Remove(this);
}

void ContextThread::Submit(Kind kind, Work work, OnFailure on_failure) {
  environment_->Hold();
  if (Enqueue({kind, 0, std::move(work), on_failure, nullptr})) return;
  Answer([on_failure = std::move(on_failure)](Napi::Env env) {
    on_failure(env, Failure("ERR_CLOSED", "The context is closed."));
  });
}

void ContextThread::Run(Napi::Env env, Kind kind, Work work, OnFailure on_failure) {
  // Shared: the thread may still be leaving set_value() when the answer has been taken.
  const auto waiting = std::make_shared<std::promise<Environment::Task>>();
  if (Enqueue({kind, 0, std::move(work), on_failure, waiting})) return waiting->get_future().get()(env);
  on_failure(env, Failure("ERR_CLOSED", "The context is closed."));
}

// False where the thread takes no more commands.
bool ContextThread::Enqueue(Command command) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::kServing) return false;
  command.serial = ++last_serial_;
  queue_.push_back(std::move(command));
  wake_.notify_one();
  return true;
}

// Releases what Submit() or Close() held.
void ContextThread::Answer(Environment::Task task) {
  environment_->Post([environment = environment_, task = std::move(task)](Napi::Env env) {
    environment->Drop();
    task(env);
  });
}

void ContextThread::Abort() {
  abort_up_to_ = last_serial_;
}

void ContextThread::EndRun() {
  end_runs_up_to_ = last_serial_;
}

bool ContextThread::MayGoOn() {
  if (Aborted(running_) || running_ <= end_runs_up_to_) return false;
  crowding_.Start(watched_threads_);
  return true;
}

void ContextThread::ReportCrowdedRun() {
  if (!std::exchange(crowded_run_, false)) return;
  throw Failure("ERR_CROWDED", "other programs use the cores");
}

void ContextThread::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  const std::lock_guard<std::mutex> lock(join_);
  if (thread_.joinable()) thread_.join();
}

void ContextThread::Close(Environment::Task done) {
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
bool ContextThread::AbortCallback(void* data) {
  auto* self = static_cast<ContextThread*>(data);
  if (self->crowding_.Crowded()) self->crowded_ = true;
  const bool abort = self->crowded_ || self->Aborted(self->running_);
  if (abort) self->log_->ExpectFailure(true);
  return abort;
}

void ContextThread::Serve() {
  LogScope log(weights_->log);
  log_ = &log;
  std::unique_ptr<LlamaContext> llama;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) break;
    Command command = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Execute(command, llama, log);
    lock.lock();
  }
  state_ = State::kEnding;
  lock.unlock();
  llama.reset();
  lock.lock();
  state_ = State::kGone;
  if (on_end_) Answer(std::move(on_end_));
}

// llama.cpp has one code for every step that was given up; this finds the reason.
Failure ContextThread::WhyAborted(const Failure& failure, uint64_t serial) const {
  if (std::string(failure.code()) != "ERR_ABORTED") return failure;
  if (closing_) return Failure("ERR_CLOSED", "The context was closed.");
  if (crowded_ && !Aborted(serial)) return Failure("ERR_CROWDED", "other programs use the cores");
  return failure;
}

void ContextThread::Execute(Command& command, std::unique_ptr<LlamaContext>& llama, LogScope& log) {
  Environment::Task deliver;
  try {
    if (closing_) throw Failure("ERR_CLOSED", "The context is closed.");
    if (command.kind == Kind::kStep) {
      if (Aborted(command.serial)) throw Failure("ERR_ABORTED", "the step was aborted");
      running_ = command.serial;
    }
    if (!llama) {
      auto opened = std::make_unique<LlamaContext>(*weights_, shape, &ContextThread::AbortCallback, this);
      if (opened->context == nullptr) {
        const std::string errors = log.TakeErrors("llama.cpp could not make a context");
        throw Failure(errors.find("alloc") != std::string::npos ? "ERR_MEMORY" : "ERR_LOAD", errors);
      }
      llama = std::move(opened);
    }
    const ThreadPlan plan = threads_;
    llama->SetThreads(plan);
    watched_threads_ = plan.watch != 0 ? std::max(plan.threads, plan.batch_threads) : 0;
    crowding_.Start(watched_threads_);
    log.ExpectFailure(false);
    crowded_ = false;
    deliver = command.work(*llama);
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
  if (command.waiting) {
    command.waiting->set_value(std::move(deliver));
  } else {
    Answer(std::move(deliver));
  }
}

}  // namespace gpt4all
