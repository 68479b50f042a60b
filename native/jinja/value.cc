#include "value.h"

#include <algorithm>

#include "values.h"

namespace jinja {

Value::~Value() {
  if (Budget* budget = Budget::Current()) budget->Release(held_);
}

MixedText Value::ToRepr() const {
  throw NotImplemented(std::string("the text of a ") + TypeName());
}

bool Value::Equals(const Value& other) const {
  Spend(1);
  if (IsNumber() && other.IsNumber()) {
    if (IsInteger() && other.IsInteger()) return integer == other.integer;
    return real == other.real && integer == other.integer;  // an integer may be more precise than a float
  }
  if (kinds != other.kinds) return false;
  const DepthGuard guard;
  return EqualsSame(other);
}

void Value::Account() {
  for (const ValuePtr& item : items) depth = std::max(depth, Deeper(*item));
  Budget* budget = Budget::Current();
  if (budget == nullptr) return;
  const size_t texts = text.size() + NotesSize();
  budget->Spend(4 + texts / 128 + items.size() / 4);
  const uint64_t bytes = sizeof(Value) + 64 + texts + items.size() * sizeof(ValuePtr);
  if (bytes <= held_) return;
  budget->Hold(bytes - held_);
  held_ = bytes;
}

void Value::AccountPart(const Value& part, size_t bytes) {
  const uint16_t with_part = Deeper(part);
  if (!is_kept) depth = std::max(depth, with_part);
  Budget* budget = Budget::Current();
  if (budget == nullptr) return;
  budget->Spend(1);
  budget->Hold(bytes);
  held_ += bytes;
}

uint16_t Value::Deeper(const Value& part) {
  const size_t depth = part.is_kept ? 1 : part.depth + 1;
  if (depth > kMaxValueDepth) ThrowTooDeep();
  return static_cast<uint16_t>(depth);
}

void Value::TakeParts(std::vector<ValuePtr>& parts) {
  for (ValuePtr& item : items) parts.push_back(std::move(item));
  for (Pair& pair : pairs) {
    parts.push_back(std::move(pair.first));
    parts.push_back(std::move(pair.second));
  }
  items.clear();
  pairs.clear();
}

void Value::MarkUsed(const char* op) {
  stats.used = true;
  if (op == nullptr) return;
  if (stats.ops.find(op) == stats.ops.end()) stats.ops.push_back(op);
}

void Value::MarkAllUsed() {
  const DepthGuard guard;
  Spend(1);
  MarkUsed();
  for (const ValuePtr& item : items) item->MarkAllUsed();
  for (const Pair& pair : pairs) {
    pair.first->MarkAllUsed();
    pair.second->MarkAllUsed();
  }
}

ValuePtr& Value::at(int64_t index) {
  return items.at(static_cast<size_t>(index));
}

ValuePtr& Value::at(const std::string& key) {
  for (Pair& pair : pairs) {
    if (pair.first->text == key) return pair.second;
  }
  throw TemplateError("there is no '" + Shortened(key) + "'");
}

void ThrowUndefined(const Value& value) {
  throw TemplateError(static_cast<const UndefinedValue&>(value).hint);
}

}  // namespace jinja
