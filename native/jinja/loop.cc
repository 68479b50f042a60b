#include "loop.h"

#include "arguments.h"
#include "context.h"

namespace jinja {

ValuePtr LoopValue::Fetch() {
  if (is_at_end_) return nullptr;
  if (!fetch_) throw NotImplemented("what comes next in a loop that was left");
  const ValuePtr item = fetch_();
  is_at_end_ = !item;
  return item;
}

ValuePtr LoopValue::Peek() {
  if (ahead_.empty()) {
    const ValuePtr item = Fetch();
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
  while (const ValuePtr item = Fetch()) {
    AccountPart(*item, sizeof(ValuePtr));
    ahead_.push_back(item);
  }
  length_ = index0_ + 1 + static_cast<int64_t>(ahead_.size());
  return length_;
}

bool LoopValue::Changes(std::vector<ValuePtr> values) {
  const bool is_same = std::equal(values.begin(), values.end(), items.begin(), items.end(), ValueEquality());
  if (std::exchange(was_asked_, true) && is_same) return false;
  for (const ValuePtr& value : values) AccountPart(*value, sizeof(ValuePtr));
  items = std::move(values);
  return true;
}

ValuePtr LoopValue::Attribute(const std::string& name, const ValuePtr& self) {
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
      for (const ValuePtr& item : arguments.all) {
        if (Is<KeywordValue>(item)) throw TemplateError("cycle() takes no keyword arguments");
      }
      return arguments.all[static_cast<size_t>(index) % arguments.all.size()];
    });
  }
  if (name == "changed") {
    const auto changed = [](const Arguments& arguments) -> ValuePtr {
      arguments.context.Keep(arguments.all[0]);
      std::vector<ValuePtr> values;
      for (size_t i = 1; i < arguments.all.size(); i++) {
        if (Is<KeywordValue>(arguments.all[i])) throw TemplateError("changed() takes no keyword arguments");
        values.push_back(arguments.all[i]);
      }
      return Make<BoolValue>(As<LoopValue>(arguments.all[0])->Changes(std::move(values)));
    };
    return Make<FunctionValue>(name, changed, self);
  }
  return Make<UndefinedValue>("'LoopContext object' has no attribute '" + Shortened(name) + "'");
}

}  // namespace jinja
