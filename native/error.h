// JavaScript errors. Code that runs off the JavaScript thread throws Failure; ToJs() makes the JavaScript
// error of it on the JavaScript thread. Every error that leaves the addon carries a `code` (see
// src/native/contract.ts).
#pragma once

#include <napi.h>

#include <new>
#include <string>

#include "failure.h"

namespace gpt4all {

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

// Settles `deferred` with what `make` makes. If that throws, for lack of memory or in one of JavaScript's
// setters, the promise rejects: the error would be lost otherwise.
template <typename Make>
void Fulfil(Napi::Env env, const Napi::Promise::Deferred& deferred, Make&& make) {
  try {
    deferred.Resolve(make());
  } catch (const Failure& failure) {
    deferred.Reject(ToJs(env, failure).Value());
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  } catch (const std::bad_alloc&) {
    deferred.Reject(MakeError(env, "ERR_MEMORY", "not enough memory").Value());
  }
}

}  // namespace gpt4all
