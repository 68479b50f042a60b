// Reading JavaScript values that crossed the boundary. TypeScript has checked them already with better
// messages; here they are checked again because a wrong value in C++ is a crash. Each reader throws
// ERR_ARGUMENT.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "error.h"

namespace gpt4all {

inline Napi::Error BadArgument(Napi::Env env, const char* name, const char* expected) {
  return MakeError(env, "ERR_ARGUMENT", std::string("addon: \"") + name + "\" must be " + expected);
}

inline double Number(const Napi::Value& value, const char* name, double min, double max) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= min && number <= max) return number;  // NaN fails both
  }
  throw BadArgument(value.Env(), name, "a number within its bounds");
}

inline int32_t Integer(const Napi::Value& value, const char* name, int32_t min, int32_t max) {
  const double number = Number(value, name, min, max);
  if (number != std::floor(number)) throw BadArgument(value.Env(), name, "an integer");
  return static_cast<int32_t>(number);
}

inline uint32_t Unsigned(const Napi::Value& value, const char* name) {
  const double number = Number(value, name, 0, 4294967295.0);
  if (number != std::floor(number)) throw BadArgument(value.Env(), name, "an unsigned integer");
  return static_cast<uint32_t>(number);
}

inline bool Boolean(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) throw BadArgument(value.Env(), name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

inline std::string Text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw BadArgument(value.Env(), name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

inline Napi::Object Object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw BadArgument(value.Env(), name, "an object");
  return value.As<Napi::Object>();
}

inline Napi::Function Function(const Napi::Value& value, const char* name) {
  if (!value.IsFunction()) throw BadArgument(value.Env(), name, "a function");
  return value.As<Napi::Function>();
}

// Calls `read` with each element of an array of no more than `most`. The length is asked for once: what
// getters do to the array meanwhile makes it no longer.
template <typename Read>
void ForEach(const Napi::Value& value, const char* name, size_t most, Read&& read) {
  if (!value.IsArray()) throw BadArgument(value.Env(), name, "an array");
  const auto array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length > most) throw BadArgument(value.Env(), name, "shorter");
  for (uint32_t i = 0; i < length; i++) {
    const Napi::HandleScope scope(value.Env());
    read(array.Get(i));
  }
}

inline bool IsTyped(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

// What a typed array of no more than `most` elements holds, copied: JavaScript, another thread's too, may
// change or detach it while it is used.
template <typename Array>
auto Copied(const Array& array, const char* name, size_t most) {
  if (array.ElementLength() > most) throw BadArgument(array.Env(), name, "shorter");
  return std::vector(array.Data(), array.Data() + array.ElementLength());
}

inline std::vector<float> Floats(const Napi::Value& value, const char* name, size_t most) {
  if (!IsTyped(value, napi_float32_array)) throw BadArgument(value.Env(), name, "a Float32Array");
  return Copied(value.As<Napi::Float32Array>(), name, most);
}

inline Napi::Uint8Array Bytes(const Napi::Value& value, const char* name) {
  if (!IsTyped(value, napi_uint8_array)) throw BadArgument(value.Env(), name, "a Uint8Array");
  return value.As<Napi::Uint8Array>();
}

inline std::vector<int32_t> Tokens(const Napi::Value& value, const char* name, int32_t vocab_size,
                                   size_t most = INT32_MAX) {
  if (!IsTyped(value, napi_int32_array)) throw BadArgument(value.Env(), name, "an Int32Array");
  const std::vector<int32_t> tokens = Copied(value.As<Napi::Int32Array>(), name, most);
  for (const int32_t token : tokens) {
    if (token < 0 || token >= vocab_size)
      throw BadArgument(value.Env(), name, "token ids of this vocabulary");
  }
  return tokens;
}

// The native object of `value`, or ERR_ARGUMENT when it is something else: an object of another class
// would be read as if it were a T. `T::kTag` is set on every wrapper in its constructor.
template <typename T>
T* Handle(const Napi::Value& value, const char* name) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&T::kTag)) {
    throw BadArgument(value.Env(), name, "an object of this addon");
  }
  return T::Unwrap(value.As<Napi::Object>());
}

}  // namespace gpt4all
