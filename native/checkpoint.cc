#include "checkpoint.h"

#include "error.h"

namespace gpt4all {

namespace {
thread_local const std::atomic<bool>* stop_of_thread = nullptr;
}

CheckpointScope::CheckpointScope(const std::atomic<bool>& stop) : outer_(stop_of_thread) {
  stop_of_thread = &stop;
}

CheckpointScope::~CheckpointScope() {
  stop_of_thread = outer_;
}

void Checkpoint() {
  if (stop_of_thread != nullptr && *stop_of_thread) throw Failure("ERR_ABORTED", "it was interrupted");
}

}  // namespace gpt4all

void gpt4all_checkpoint() {
  gpt4all::Checkpoint();
}
