// `loop`, within a for statement.
#pragma once

#include <deque>

#include "values.h"

namespace jinja {

class LoopValue : public Value {
 public:
  static constexpr uint32_t kKinds = kLoop;
  // Gives the next item, or null. Items are read no further than they are needed: which ones there are may
  // depend on variables.
  using Source = std::function<ValuePtr()>;
  // `length` is -1 where it is not known.
  LoopValue(Source fetch, int64_t length) : Value(kKinds), fetch_(std::move(fetch)), length_(length) {}
  const char* TypeName() const override { return "LoopContext"; }

  // Goes on to the next item and gives it; null behind the last.
  ValuePtr Next();
  // What it reads from is gone.
  void Finish() { fetch_ = nullptr; }

  ValuePtr Attribute(const std::string& name);

 private:
  ValuePtr Peek();
  int64_t Length();

  Source fetch_;
  std::deque<ValuePtr> ahead_;
  ValuePtr previous_, current_;
  int64_t index0_ = -1;
  int64_t length_;
};

}  // namespace jinja
