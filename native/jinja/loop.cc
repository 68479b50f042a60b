#include "loop.h"

#include "arguments.h"

namespace jinja {

ValuePtr LoopValue::Peek() {
  if (ahead_.empty()) {
    const ValuePtr item = fetch_ ? fetch_() : nullptr;
    if (!item) return nullptr;
    ahead_.push_back(item);
  }
  return ahead_.front();
}

ValuePtr LoopValue::Next() {
  const ValuePtr next = Peek();
  if (!next) return nullptr;
  AccountPart(*next, 0);
  ahead_.pop_front();
  previous_ = current_;
  current_ = next;
  index0_++;
  return next;
}

int64_t LoopValue::Length() {
  if (length_ >= 0) return length_;
  for (ValuePtr item; fetch_ && (item = fetch_());) {
    AccountPart(*item, sizeof(ValuePtr));
    ahead_.push_back(item);
  }
  length_ = index0_ + 1 + static_cast<int64_t>(ahead_.size());
  return length_;
}

ValuePtr LoopValue::Attribute(const std::string& name) {
  if (name == "index") return Make<IntValue>(index0_ + 1);
  if (name == "index0") return Make<IntValue>(index0_);
  if (name == "first") return Make<BoolValue>(index0_ == 0);
  if (name == "last") return Make<BoolValue>(Peek() == nullptr);
  if (name == "length") return Make<IntValue>(Length());
  if (name == "revindex") return Make<IntValue>(Length() - index0_);
  if (name == "revindex0") return Make<IntValue>(Length() - index0_ - 1);
  if (name == "previtem") return previous_ ? previous_ : Make<UndefinedValue>("there is no previous item");
  if (name == "depth") return Make<IntValue>(1);  // deeper are only recursive loops
  if (name == "depth0") return Make<IntValue>(0);
  if (name == "nextitem") {
    const ValuePtr next = Peek();
    return next ? next : Make<UndefinedValue>("there is no next item");
  }
  if (name == "cycle") {
    return Make<FunctionValue>(name, [index = index0_](const Arguments& arguments) -> ValuePtr {
      if (arguments.all.empty()) throw TemplateError("no items for cycling given");
      return arguments.all[static_cast<size_t>(index) % arguments.all.size()];
    });
  }
  if (name == "changed") throw NotImplemented("loop.changed()");
  return Make<UndefinedValue>("'LoopContext object' has no attribute '" + Shortened(name) + "'");
}

}  // namespace jinja
