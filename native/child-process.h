// Child processes that JavaScript starts.
#pragma once

#include <napi.h>

namespace gpt4all {

// startChild(start): calls `start`, which starts a child process, and returns what it returns. The child ends
// with the JavaScript environment that started it: Node waits for a child on the thread that started it, and
// where a worker thread is terminated before, its child would go on, and then stay in the table of processes
// as a zombie. On Linux it is held also where the thread is terminated before `start` can tell of it.
Napi::Value StartChild(const Napi::CallbackInfo& info);

// holdChild(pid): this is such a child, where startChild() cannot see it.
Napi::Value HoldChild(const Napi::CallbackInfo& info);

// dropChild(pid): it has ended, and Node has waited for it.
Napi::Value DropChild(const Napi::CallbackInfo& info);

// Ends this child and waits until it has ended; nothing where it is no child of this process any more.
void EndChild(int pid);

}  // namespace gpt4all
