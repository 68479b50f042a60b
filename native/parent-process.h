// For a child process that must not outlive its parent.
#pragma once

#include <napi.h>

namespace gpt4all {

// endWithParent(): from here on the system ends this process when the thread that started it ends, even while
// JavaScript hangs here or, on Linux, the process is stopped. Windows does that for every child of Node.
Napi::Value EndWithParent(const Napi::CallbackInfo& info);

}  // namespace gpt4all
