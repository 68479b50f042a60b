#include "stack.h"

#include <algorithm>

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace gpt4all {

namespace {

// The end of this thread's stack; null where the system does not report it.
const char* EndOfStack() {
#if defined(_WIN32)
  ULONG_PTR low = 0, high = 0;
  GetCurrentThreadStackLimits(&low, &high);
  return reinterpret_cast<const char*>(low);
#elif defined(__APPLE__)
  const pthread_t self = pthread_self();
  return static_cast<const char*>(pthread_get_stackaddr_np(self)) - pthread_get_stacksize_np(self);
#elif defined(__linux__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return nullptr;
  void* end = nullptr;
  size_t size = 0;
  pthread_attr_getstack(&attributes, &end, &size);
  pthread_attr_destroy(&attributes);
  return static_cast<const char*>(end);
#else
  return nullptr;
#endif
}

constexpr size_t kMost = 2 << 20, kUnknown = 64 << 10;

}  // namespace

size_t StackToUse() {
  const char here = 0;
  // On the main thread glibc reads all mappings of the process to find the stack.
  static thread_local const char* const end = EndOfStack();
  if (end == nullptr || &here < end) return kUnknown;
  return std::min(kMost, static_cast<size_t>(&here - end) / 2);
}

}  // namespace gpt4all
