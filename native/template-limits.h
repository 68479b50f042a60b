// What a template may cost. Templates come from strangers, and their cost may depend on the messages.
#pragma once

#include <cstdint>

#include "failure.h"
#include "jinja/errors.h"
#include "jinja/limits.h"

namespace gpt4all {

enum class Effort {
  kQuick,  // some 10 ms, for the JavaScript thread
  kWhole,  // some seconds; can be interrupted (see checkpoint.h)
};

// How much is rendered.
struct Extent {
  uint64_t bytes = 0, messages = 0;

  // Small enough for a quick effort.
  bool IsQuick() const;
};

jinja::Limits LimitsFor(Effort effort, const Extent& input);

// Throws Failure if a limit was exceeded, even if the exception for that was caught on its way.
void CheckLimits(jinja::Budget& budget, Effort effort);

// llama.cpp takes an exception for a fact about the template; one that a limit raised says nothing about it.
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
