// What templates may cost. They come from strangers, and that may depend on the messages.
#pragma once

#include <cstdint>

#include "failure.h"
#include "jinja/errors.h"
#include "jinja/limits.h"

namespace gpt4all {

enum class Effort {
  kQuick,  // some 10 ms, for the JavaScript thread
  kWhole,  // some seconds, which whoever waits for it can interrupt (see checkpoint.h)
};

// How much is rendered.
struct Extent {
  uint64_t bytes = 0, messages = 0;

  // So little that a quick effort may do.
  bool IsQuick() const;
};

jinja::Limits LimitsFor(Effort effort, const Extent& input);

// Throws Failure where a limit was exceeded, whatever became of the exception that told so.
void CheckLimits(jinja::Budget& budget, Effort effort);

// What llama.cpp found out beyond a limit, it found out from an exception: that tells nothing about the
// template.
void EnsureWithinLimits();

// `work()` within its limits. Errors other than those at a place of the template become Failures.
template <typename Work>
auto Limited(Effort effort, const Extent& input, const Work& work) {
  jinja::Budget budget(LimitsFor(effort, input));
  try {
    auto result = work();
    CheckLimits(budget, effort);
    return result;
  } catch (const Failure&) {
    throw;
  } catch (const jinja::RenderError&) {
    CheckLimits(budget, effort);
    throw;
  } catch (const std::exception& error) {
    CheckLimits(budget, effort);
    throw Failure("ERR_TEMPLATE", error.what());
  }
}

}  // namespace gpt4all
