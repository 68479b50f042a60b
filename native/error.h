// Failures. Code that runs off the JavaScript thread throws Failure; ToJs() makes the JavaScript error of it
// on the JavaScript thread. Every error that leaves the addon carries a `code` (see src/native/types.ts).
#pragma once

#include <napi.h>

#include <stdexcept>
#include <string>

namespace gpt4all {

class Failure : public std::runtime_error {
 public:
  Failure(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a string literal
};

inline Napi::Error MakeError(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", Napi::String::New(env, code));
  return error;
}

inline Napi::Error ToJs(Napi::Env env, const Failure& failure) {
  return MakeError(env, failure.code(), failure.what());
}

// Runs `work` on the JavaScript thread; a Failure in it becomes a JavaScript error.
template <typename Work>
auto Translated(Napi::Env env, Work&& work) {
  try {
    return work();
  } catch (const Failure& failure) {
    throw ToJs(env, failure);
  }
}

}  // namespace gpt4all
