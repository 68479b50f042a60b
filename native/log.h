// llama.cpp has one log callback for the whole process. Each thread that works for a model names the sink of
// that model, so lines reach the logger of the model they belong to; lines of other threads are dropped.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "environment.h"

namespace gpt4all {

// A JavaScript log function, callable from any thread; the event loop delivers the lines.
class LogSink {
 public:
  LogSink(Napi::Env env, Napi::Function callback);
  ~LogSink();
  void Write(const char* level, const std::string& line);

 private:
  const std::shared_ptr<Environment> environment_;
  // A reference belongs to the JavaScript thread, but this object may be destroyed on any thread: it hands
  // the reference back to be freed.
  const std::shared_ptr<Napi::FunctionReference> callback_;
};

// While it lives, this thread's log lines go to `sink` (may be null), and errors are kept for TakeErrors().
class LogScope {
 public:
  explicit LogScope(std::shared_ptr<LogSink> sink);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  void Add(int level, const char* text);
  // Called with each line, on this thread, before the line is passed on; an exception from it goes to
  // llama.cpp.
  void Watch(std::function<void(const std::string&)> watch) { watch_ = std::move(watch); }
  // From here on warnings and errors report what was asked for (an interrupted step): they become debug
  // lines.
  void ExpectFailure(bool expected) { failure_expected_ = expected; }
  // What llama.cpp called errors since the last call, in one line; `fallback` where there were none.
  std::string TakeErrors(const std::string& fallback);

 private:
  void Flush();

  const std::shared_ptr<LogSink> sink_;
  LogScope* const outer_;
  bool failure_expected_ = false;
  const char* level_ = "info";
  std::string line_;
  std::string errors_;
  std::function<void(const std::string&)> watch_;
};

// Routes llama.cpp's and ggml's logs to the scopes. Once per process.
void InstallLog();

}  // namespace gpt4all
