// For a child process that must not outlive its parent.
#pragma once

#include <napi.h>

namespace gpt4all {

// endWithParent(): from here on the system ends this process when the thread that started it does, also while
// its JavaScript hangs and, on Linux, where it is stopped. Windows does that for every child that Node
// starts.
Napi::Value EndWithParent(const Napi::CallbackInfo& info);

}  // namespace gpt4all
