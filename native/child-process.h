// Child processes that JavaScript starts.
#pragma once

#include <napi.h>

namespace gpt4all {

// startChild(start): calls `start`, which starts a child process, and returns what it returns. The child ends
// with the JavaScript environment that started it: Node waits for a child on the thread that started it, and
// if a worker thread is terminated before, its child would go on and then stay in the table of processes as a
// zombie. On Linux the child is held even if the thread is terminated before `start` returns.
Napi::Value StartChild(const Napi::CallbackInfo& info);

// holdChild(pid): holds a child that startChild() cannot see.
Napi::Value HoldChild(const Napi::CallbackInfo& info);

// dropChild(pid): the child has ended, and Node has waited for it.
Napi::Value DropChild(const Napi::CallbackInfo& info);

// Ends this child and waits until it has ended; does nothing if it is not a child of this process any more.
void EndChild(int pid);

}  // namespace gpt4all
