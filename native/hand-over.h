// What C++ gives to a constructor that JavaScript can call as well, as `object.constructor`. It lies here for
// the moment of the call: no value that JavaScript passes is ever taken for a pointer, whoever made it.
#pragma once

#include <napi.h>

#include <utility>

namespace gpt4all {

template <typename T>
class HandOver {
 public:
  // Constructs an object whose constructor takes `given`, on the JavaScript thread.
  static Napi::Object Construct(const Napi::FunctionReference& constructor, T& given) {
    const HandOver scope(given);
    return constructor.New({});
  }

  // What the call of this constructor was given; null where it is JavaScript that calls.
  static T* Take() { return std::exchange(given_, nullptr); }

 private:
  explicit HandOver(T& given) { given_ = &given; }
  ~HandOver() { given_ = nullptr; }

  static inline thread_local T* given_ = nullptr;
};

}  // namespace gpt4all
