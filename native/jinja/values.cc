#include "values.h"

#include <algorithm>
#include <cmath>

namespace jinja {

FloatValue::FloatValue(double value) : Value(kKinds) {
  real = value;
  integer = std::fabs(value) < 9.2e18 ? static_cast<int64_t>(value) : 0;
}

// Numbers that are equal have one hash.
size_t FloatValue::Hash() const {
  const bool is_integer = static_cast<double>(integer) == real;
  if (is_integer) return HashInteger(integer);
  return HashText({reinterpret_cast<const char*>(&real), sizeof(real)});
}

size_t StringValue::Hash() const {
  SpendOnReading(text.size());
  return HashText(text);
}

bool StringValue::EqualsSame(const Value& other) const {
  if (text.size() != other.text.size()) return false;
  SpendOnReading(text.size());
  return text == other.text;
}

//
// lists and tuples
//

void ListValue::Append(const ValuePtr& value) {
  AccountPart(*value, sizeof(ValuePtr));
  items.push_back(value);
  changes++;
}

bool ListValue::EqualsSame(const Value& other) const {
  return std::equal(items.begin(), items.end(), other.items.begin(), other.items.end(), ValueEquality());
}

bool TupleValue::IsHashable() const {
  Spend(items.size());
  return std::all_of(items.begin(), items.end(), [](const ValuePtr& item) { return item->IsHashable(); });
}

size_t TupleValue::Hash() const {
  size_t hash = 0x345678;
  Spend(4 * items.size());
  for (const ValuePtr& item : items) hash = HashInteger(static_cast<int64_t>(hash ^ item->Hash()));
  return hash;
}

ValuePtr MakeLike(const Value& like, std::vector<ValuePtr> items) {
  if ((like.kinds & kTuple) != 0) return Make<TupleValue>(std::move(items));
  return Make<ListValue>(std::move(items));
}

//
// dicts
//

void DictValue::TakeParts(std::vector<ValuePtr>& parts) {
  Value::TakeParts(parts);
  places_.clear();
}

void DictValue::Insert(const ValuePtr& key, const ValuePtr& value) {
  if (!key->IsHashable()) throw TemplateError(std::string("unhashable type: '") + key->TypeName() + "'");
  const auto found = places_.find(key);
  if (found != places_.end()) {
    AccountPart(*value, 0);
    pairs[found->second].second = value;
    return;
  }
  AccountPart(*key, sizeof(Pair) + 64);
  AccountPart(*value, 0);
  places_[key] = pairs.size();
  pairs.push_back({key, value});
}

ValuePtr DictValue::Find(const ValuePtr& key) const {
  if (!key->IsHashable()) throw TemplateError(std::string("unhashable type: '") + key->TypeName() + "'");
  const auto found = places_.find(key);
  return found == places_.end() ? nullptr : pairs[found->second].second;
}

bool DictValue::EqualsSame(const Value& other) const {
  if (pairs.size() != other.pairs.size()) return false;
  const auto& dict = static_cast<const DictValue&>(other);
  return std::all_of(pairs.begin(), pairs.end(), [&](const Pair& pair) {
    const ValuePtr found = dict.Find(pair.first);
    return found && pair.second->Equals(*found);
  });
}

//
// ranges
//

RangeValue::RangeValue(int64_t start, int64_t stop, int64_t step)
    : Value(kKinds), start(start), stop(stop), step(step) {
  if (step == 0) throw TemplateError("range() arg 3 must not be zero");
  const double distance = static_cast<double>(stop) - static_cast<double>(start);
  const double count = std::ceil(distance / static_cast<double>(step));
  // Python's is lazy; the sandbox that templates run in there has the same limit.
  if (count > 100000) throw TemplateError("Range too big: more than 100000 numbers");
  for (int64_t i = 0; i < static_cast<int64_t>(count); i++) items.push_back(Make<IntValue>(start + i * step));
}

bool RangeValue::EqualsSame(const Value& other) const {
  return std::equal(items.begin(), items.end(), other.items.begin(), other.items.end(), ValueEquality());
}

//
// iterators
//

IteratorValue::IteratorValue(const std::vector<ValuePtr>& from, Source make, bool has_json)
    : Value(kKinds), has_json(has_json), make_(std::move(make)) {
  for (const ValuePtr& value : from) depth = std::max(depth, Deeper(*value));
}

void IteratorValue::Fill() {
  if (!make_) return;
  const DepthGuard guard;
  const Source once = std::move(make_);
  make_ = nullptr;
  items = once();
  Account();
}

std::vector<ValuePtr> IteratorValue::TakeAll() {
  Fill();
  std::vector<ValuePtr> rest(items.begin() + static_cast<ptrdiff_t>(next_), items.end());
  next_ = items.size();
  return rest;
}

ValuePtr IteratorValue::TakeNext() {
  Fill();
  return next_ == items.size() ? nullptr : items[next_++];
}

}  // namespace jinja
