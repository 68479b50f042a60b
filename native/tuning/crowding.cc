#include "crowding.h"

#ifdef __linux__
#include <sys/resource.h>
#endif

namespace gpt4all {

namespace {

// On an idle machine a thread is preempted a few times per second. Beside other programs it loses its core at
// the end of every time slice of 3 to 4 ms, some 250 times per second.
constexpr int64_t kFewestPerThread = 4;
constexpr double kPerSecondAndThread = 50;
constexpr std::chrono::milliseconds kLookEvery{2};

// How often a thread of this process lost its core while it had more to do. Windows does not count it, macOS
// counts waiting too.
int64_t Preemptions() {
#ifdef __linux__
  rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
#else
  return 0;
#endif
}

}  // namespace

void CrowdingWatch::Start(int32_t threads) {
  threads_ = threads;
  if (threads == 0) return;
  started_ = Clock::now();
  next_look_ = started_ + kLookEvery;
  preemptions_ = Preemptions();
}

bool CrowdingWatch::Crowded() {
  if (threads_ == 0) return false;
  const Clock::time_point now = Clock::now();
  if (now < next_look_) return false;
  next_look_ = now + kLookEvery;
  const int64_t lost = Preemptions() - preemptions_;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  return lost >= kFewestPerThread * threads_ &&
         static_cast<double>(lost) > kPerSecondAndThread * threads_ * seconds;
}

}  // namespace gpt4all
