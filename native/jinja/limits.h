// What templates may cost. They come from strangers, and their cost may depend on the data that they are
// given: so all work that depends on it is counted while it happens. Work beyond a limit ends with a
// LimitExceeded, and so does everything after it within the same budget: llama.cpp, which catches some
// exceptions, gets no further either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace jinja {

struct Limits {
  // One node of a template that is evaluated, a few for a value that is made, one for a text that is read or
  // copied, and one for each 32 bytes that are read and each 128 that are copied: each some 20 ns of work.
  uint64_t steps = UINT64_MAX;
  // Bytes that values, and what is still to become values, hold at once.
  uint64_t bytes = UINT64_MAX;
  // Bytes of one text that a template writes.
  uint64_t output = UINT64_MAX;
  // Bytes of the stack, from where the budget begins.
  size_t stack = SIZE_MAX;
  // Called every few thousand steps, about ten times in a millisecond.
  std::function<bool()> is_aborted;
};

enum class Excess { kNone, kSteps, kBytes, kOutput, kDepth, kAborted };

class LimitExceeded : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What its thread may spend while the budget exists; the budget around it pays as well.
class Budget {
 public:
  explicit Budget(Limits limits);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  Excess exceeded() const { return exceeded_; }
  uint64_t steps() const { return steps_; }

  // Null if nothing is limited.
  static Budget* Current();

  // For a part of the work that may fail: half of what is left, so that the other half remains for the rest.
  Limits Half() const;

  void Spend(uint64_t steps);
  void EnsureRoom(uint64_t bytes);
  void EnsureOutput(uint64_t bytes);
  void EnsureStack();
  void Hold(uint64_t bytes);
  void Release(uint64_t bytes);
  [[noreturn]] void Exceed(Excess what);

 private:
  void Look();

  const Limits limits_;
  Budget* const outer_;
  const char* const stack_begin_;
  Excess exceeded_ = Excess::kNone;
  uint64_t steps_ = 0, next_look_ = 0, held_ = 0;
};

// Each of these throws LimitExceeded if the thread's budget does not suffice.
void Spend(uint64_t steps);
void SpendOnReading(uint64_t bytes);
void SpendOnCopying(uint64_t bytes);
void SpendOnItems(uint64_t count);  // copied from a list
void EnsureRoom(uint64_t bytes);    // for so many bytes beside those that values hold

// Memory beside what values hold, counted while the object exists: for what waits while a template does other
// things.
class Holding {
 public:
  Holding() = default;
  explicit Holding(uint64_t bytes) { Add(bytes); }
  Holding(const Holding& other) { Add(other.bytes_); }
  Holding& operator=(const Holding&) = delete;
  ~Holding();

  void Add(uint64_t bytes);

 private:
  uint64_t bytes_ = 0;
};

// Adds to a list that becomes a value only once it is whole.
template <typename T>
void Push(std::vector<T>& list, T item) {
  EnsureRoom((list.size() + 1) * sizeof(T));
  list.push_back(std::move(item));
}

// Values, nodes of templates and calls may be nested only so deep that the stack has room for them, and for
// code that walks them to their end.
constexpr size_t kMaxValueDepth = 100;
constexpr size_t kMaxNodeDepth = 200;
constexpr size_t kMaxCalls = 2000;

[[noreturn]] void ThrowTooDeep();

// Counts the nesting of what is under way on this thread.
class DepthGuard {
 public:
  DepthGuard();
  ~DepthGuard();
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
};

}  // namespace jinja
