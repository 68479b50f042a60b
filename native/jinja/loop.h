// `loop`, within a for statement.
#pragma once

#include <deque>

#include "values.h"

namespace jinja {

class LoopValue : public Value {
 public:
  static constexpr uint32_t kKinds = kLoop;
  // Items are read only when they are needed: which ones there are may depend on variables. `length` is -1 if
  // it is not known.
  LoopValue(Source fetch, int64_t length) : Value(kKinds), fetch_(std::move(fetch)), length_(length) {}
  const char* TypeName() const override { return "LoopContext"; }

  // Goes on to the next item and returns it; null after the last.
  ValuePtr Next();
  // To be called when what it reads from is gone.
  void Finish() { fetch_ = nullptr; }

  // `self` is this.
  ValuePtr Attribute(const std::string& name, const ValuePtr& self);
  // Whether it was last called with other values, or never.
  bool Changes(std::vector<ValuePtr> values);

 private:
  ValuePtr Fetch();
  ValuePtr Peek();
  int64_t Length();

  Source fetch_;
  bool is_at_end_ = false, was_asked_ = false;
  std::deque<ValuePtr> ahead_;
  ValuePtr previous_, current_;
  int64_t index0_ = -1;
  int64_t length_;
};

}  // namespace jinja
