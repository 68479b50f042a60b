#include "log.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "llama.h"

namespace gpt4all {

namespace {

constexpr size_t kMaxErrors = 600;  // characters of llama.cpp's own words worth showing in a message

thread_local LogScope* current_scope = nullptr;

const char* LevelName(int level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR:
      return "error";
    case GGML_LOG_LEVEL_WARN:
      return "warn";
    case GGML_LOG_LEVEL_INFO:
      return "info";
    default:
      return "debug";
  }
}

void Route(ggml_log_level level, const char* text, void*) {
  if (current_scope != nullptr) current_scope->Add(level, text);
}

// ggml answers some faults with abort(). This prints the reason; ggml's own handler would start a debugger as
// well.
void LastWords(const char* message) {
  std::fprintf(stderr, "gpt4all-ts: llama.cpp aborted: %s\n", message);
}

}  // namespace

LogSink::LogSink(Napi::Env env, Napi::Function callback)
    : environment_(Environment::Of(env)),
      callback_(std::make_shared<Napi::FunctionReference>(Napi::Persistent(callback))) {
  callback_->SuppressDestruct();  // freed by the task below, or with the environment
}

LogSink::~LogSink() {
  environment_->Post([callback = callback_](Napi::Env) { callback->Reset(); });
}

void LogSink::Write(const char* level, const std::string& line) {
  environment_->Post([callback = callback_, level, line](Napi::Env env) {
    callback->Call({Napi::String::New(env, level), Napi::String::New(env, line)});
  });
}

LogScope::LogScope(std::shared_ptr<LogSink> sink) : sink_(std::move(sink)), outer_(current_scope) {
  current_scope = this;
}

LogScope::~LogScope() {
  Flush();
  current_scope = outer_;
}

// llama.cpp logs in pieces: text without a newline goes on in later calls of level CONT.
void LogScope::Add(int level, const char* text) {
  if (level != GGML_LOG_LEVEL_CONT) {
    Flush();
    const bool failure = level == GGML_LOG_LEVEL_WARN || level == GGML_LOG_LEVEL_ERROR;
    level_ = LevelName(failure && failure_expected_ ? GGML_LOG_LEVEL_DEBUG : level);
  }
  line_ += text;
  if (line_.empty() || line_.back() != '\n') return;
  const std::string line = watch_ ? line_ : std::string();
  Flush();
  if (watch_) watch_(line);
}

void LogScope::Flush() {
  while (!line_.empty() && (line_.back() == '\n' || line_.back() == ' ')) line_.pop_back();
  if (line_.empty()) return;
  if (level_ == LevelName(GGML_LOG_LEVEL_ERROR) && errors_.size() < kMaxErrors) {
    if (!errors_.empty()) errors_ += "; ";
    errors_ += line_.substr(0, kMaxErrors);
  }
  if (sink_) sink_->Write(level_, line_);
  line_.clear();
}

std::string LogScope::TakeErrors(const std::string& fallback) {
  Flush();
  const std::string errors = std::exchange(errors_, std::string());
  return errors.empty() ? fallback : errors;
}

void InstallLog() {
  llama_log_set(Route, nullptr);
  ggml_set_abort_callback(LastWords);
  std::set_terminate(std::abort);  // ggml installed a handler that forks a debugger
}

}  // namespace gpt4all
