// What C++ hands to a constructor that JavaScript can call as well, as `object.constructor`. The value lies
// here only during the call, so nothing that JavaScript passes is ever taken for a pointer.
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

  // The value for the constructor that is called now; null where JavaScript calls it.
  static T* Take() { return std::exchange(given_, nullptr); }

 private:
  explicit HandOver(T& given) { given_ = &given; }
  ~HandOver() { given_ = nullptr; }

  static inline thread_local T* given_ = nullptr;
};

}  // namespace gpt4all
