#include "parent-process.h"

#if defined(__linux__)
#include <signal.h>
#include <sys/prctl.h>
#elif defined(__APPLE__)
#include <signal.h>
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#endif

namespace gpt4all {

#if defined(__APPLE__)
namespace {

void WaitForEndOf(pid_t process) {
  const int queue = kqueue();
  if (queue < 0) return;
  struct kevent end;
  EV_SET(&end, process, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, nullptr);
  while (kevent(queue, &end, 1, &end, 1, nullptr) < 0)
    if (errno != EINTR) return;  // the parent has ended; its channel reports that to JavaScript
  kill(getpid(), SIGKILL);
}

}  // namespace
#endif

Napi::Value EndWithParent(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#elif defined(__APPLE__)
  std::thread(WaitForEndOf, getppid()).detach();
#endif
  return info.Env().Undefined();
}

}  // namespace gpt4all
