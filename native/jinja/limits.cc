#include "limits.h"

#include <algorithm>
#include <utility>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace jinja {

namespace {

thread_local Budget* current_budget = nullptr;
thread_local size_t depth = 0;

constexpr uint64_t kLookEvery = 4096;

const char* StackPlace() {
#if defined(_MSC_VER)
  return static_cast<const char*>(_AddressOfReturnAddress());
#else
  return static_cast<const char*>(__builtin_frame_address(0));
#endif
}

const char* Describe(Excess what) {
  switch (what) {
    case Excess::kSteps:
      return "rendering takes too many steps";
    case Excess::kBytes:
      return "rendering takes too much memory";
    case Excess::kOutput:
      return "what it writes is too long";
    case Excess::kDepth:
      return "it is nested too deeply, or calls itself too often";
    default:
      return "rendering was interrupted";
  }
}

}  // namespace

Budget::Budget(Limits limits)
    : limits_(std::move(limits)),
      outer_(current_budget),
      stack_begin_(StackPlace()),
      next_look_(std::min(kLookEvery, limits_.steps)) {
  current_budget = this;
}

Budget::~Budget() {
  current_budget = outer_;
  if (outer_ != nullptr) outer_->steps_ += steps_;  // the next call to spend throws
}

Budget* Budget::Current() {
  return current_budget;
}

Limits Budget::Half() const {
  Limits half = limits_;
  half.steps = (limits_.steps - std::min(limits_.steps, steps_)) / 2;
  half.bytes = limits_.bytes - std::min(limits_.bytes, held_);
  return half;
}

void Budget::Exceed(Excess what) {
  if (exceeded_ == Excess::kNone) exceeded_ = what;
  next_look_ = 0;  // whatever follows fails too
  throw LimitExceeded(Describe(exceeded_));
}

void Budget::Spend(uint64_t steps) {
  steps_ = steps > UINT64_MAX - steps_ ? UINT64_MAX : steps_ + steps;
  if (steps_ >= next_look_) Look();
}

void Budget::Look() {
  if (exceeded_ != Excess::kNone) Exceed(exceeded_);
  if (steps_ > limits_.steps) Exceed(Excess::kSteps);
  if (limits_.is_aborted && limits_.is_aborted()) Exceed(Excess::kAborted);
  next_look_ = steps_ + kLookEvery;
}

void Budget::EnsureRoom(uint64_t bytes) {
  if (bytes > limits_.bytes || held_ > limits_.bytes - bytes) Exceed(Excess::kBytes);
}

void Budget::EnsureOutput(uint64_t bytes) {
  if (bytes > limits_.output) Exceed(Excess::kOutput);
}

void Budget::EnsureStack() {
  const char* here = StackPlace();
  const auto used = static_cast<size_t>(here < stack_begin_ ? stack_begin_ - here : here - stack_begin_);
  if (used > limits_.stack) Exceed(Excess::kDepth);
}

void Budget::Hold(uint64_t bytes) {
  EnsureRoom(bytes);
  held_ += bytes;
}

void Budget::Release(uint64_t bytes) {
  held_ -= std::min(held_, bytes);
}

void Spend(uint64_t steps) {
  if (current_budget != nullptr) current_budget->Spend(steps);
}

void SpendOnReading(uint64_t bytes) {
  Spend(1 + bytes / 32);
}

void SpendOnCopying(uint64_t bytes) {
  Spend(1 + bytes / 128);
}

void SpendOnItems(uint64_t count) {
  Spend(1 + count / 2);
}

void EnsureRoom(uint64_t bytes) {
  if (current_budget != nullptr) current_budget->EnsureRoom(bytes);
}

Holding::~Holding() {
  if (bytes_ > 0 && current_budget != nullptr) current_budget->Release(bytes_);
}

void Holding::Add(uint64_t bytes) {
  if (bytes == 0 || current_budget == nullptr) return;
  current_budget->Hold(bytes);
  bytes_ += bytes;
}

void ThrowTooDeep() {
  if (current_budget != nullptr) current_budget->Exceed(Excess::kDepth);
  throw LimitExceeded(Describe(Excess::kDepth));
}

DepthGuard::DepthGuard() {
  if (depth >= kMaxCalls) ThrowTooDeep();
  if (current_budget != nullptr) current_budget->EnsureStack();
  depth++;
}

DepthGuard::~DepthGuard() {
  depth--;
}

}  // namespace jinja
