#include "template-limits.h"

#include "checkpoint.h"
#include "stack.h"

namespace gpt4all {

namespace {

constexpr uint64_t kMostQuickBytes = 256 << 10, kMostQuickMessages = 256;

}  // namespace

bool Extent::IsQuick() const {
  return bytes <= kMostQuickBytes && messages <= kMostQuickMessages;
}

// What one call may cost: less than a second, and more for long conversations. docs/decisions.md has what
// real templates need.
jinja::Limits LimitsFor(Effort effort, const Extent& input) {
  const bool is_quick = effort == Effort::kQuick;
  jinja::Limits limits;
  limits.steps = is_quick ? 500'000 : 20'000'000 + 4 * input.bytes + 20'000 * input.messages;
  limits.bytes = is_quick ? 8 << 20 : (64 << 20) + 32 * input.bytes;
  limits.output = is_quick ? 2 << 20 : (4 << 20) + 8 * input.bytes;
  limits.stack = StackToUse();
  limits.is_aborted = [] {
    try {
      Checkpoint();
      return false;
    } catch (const Failure&) {
      return true;
    }
  };
  return limits;
}

void CheckLimits(jinja::Budget& budget, Effort effort) {
  if (budget.exceeded() == jinja::Excess::kNone) return;
  Checkpoint();
  try {
    budget.Exceed(budget.exceeded());
  } catch (const jinja::LimitExceeded& exceeded) {
    throw Failure(effort == Effort::kQuick ? "ERR_EFFORT" : "ERR_TEMPLATE", exceeded.what());
  }
}

void EnsureWithinLimits() {
  jinja::Budget* budget = jinja::Budget::Current();
  if (budget->exceeded() != jinja::Excess::kNone) budget->Exceed(budget->exceeded());
}

}  // namespace gpt4all
