#include "child-process.h"

#if !defined(_WIN32)
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#endif

#include <set>

#include "args.h"
#include "environment.h"

namespace gpt4all {

namespace {

// The children that this thread has started; empty where the system does not list them.
std::set<int> ChildrenOfThisThread() {
  std::set<int> children;
#if defined(__linux__)
  std::ifstream list("/proc/self/task/" + std::to_string(syscall(SYS_gettid)) + "/children");
  for (int pid; list >> pid;) children.insert(pid);
#endif
  return children;
}

int Pid(const Napi::CallbackInfo& info) {
  return Integer(info[0], "pid", 2, INT32_MAX);
}

}  // namespace

Napi::Value StartChild(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Function start = Function(info[0], "start");
  const std::shared_ptr<Environment> environment = Environment::Of(env);
  const std::set<int> before = ChildrenOfThisThread();
  // Not `start.Call()`: while the thread is being terminated nothing can be thrown and caught.
  napi_value child = nullptr;
  const napi_status status = napi_call_function(env, env.Global(), start, 0, nullptr, &child);
  for (const int pid : ChildrenOfThisThread())
    if (before.count(pid) == 0) environment->HoldChild(pid);
  return {env, status == napi_ok ? child : nullptr};  // what it throws is pending
}

Napi::Value HoldChild(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env())->HoldChild(Pid(info));
  return info.Env().Undefined();
}

Napi::Value DropChild(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env())->DropChild(Pid(info));
  return info.Env().Undefined();
}

// Windows has no zombies, and a child there ends by its own limits.
void EndChild(int pid) {
#if !defined(_WIN32)
  // The number may belong to another process by now, or Node may be waiting for the child.
  if (waitpid(pid, nullptr, WNOHANG) != 0) return;
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
#else
  (void)pid;
#endif
}

}  // namespace gpt4all
