#include "values.h"

#include <algorithm>
#include <cmath>

namespace jinja {

FloatValue::FloatValue(double value) : Value(kKinds) {
  // Jinja2 reads `inf` and `nan` as names of variables that are not set.
  if (!std::isfinite(value)) throw NotImplemented("a number that is not finite");
  real = value;
  integer = value >= -0x1p63 && value < 0x1p63 ? static_cast<int64_t>(value) : 0;
}

// Equal numbers have equal hashes.
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
  // Distances may need all 64 bits, and so may all but the last step.
  const auto first = static_cast<uint64_t>(start), last = static_cast<uint64_t>(stop);
  const auto by = static_cast<uint64_t>(step);
  const bool is_empty = step > 0 ? start >= stop : start <= stop;
  const uint64_t gaps = is_empty ? 0 : (step > 0 ? (last - first - 1) / by : (first - last - 1) / (0 - by));
  // Python's range is lazy; the sandbox in which Python runs templates has the same limit.
  if (gaps >= 100000) throw TemplateError("Range too big: more than 100000 numbers");
  for (uint64_t i = 0; !is_empty && i <= gaps; i++) {
    items.push_back(Make<IntValue>(static_cast<int64_t>(first + i * by)));
  }
}

bool RangeValue::EqualsSame(const Value& other) const {
  return std::equal(items.begin(), items.end(), other.items.begin(), other.items.end(), ValueEquality());
}

//
// views
//

// It is an error to ask keys for a value that cannot be a key.
bool ViewValue::Has(const ValuePtr& item) const {
  const std::string name = name_;
  const auto* pair = As<TupleValue>(item);
  const ValuePtr key = name == "dict_keys"                                                  ? item
                       : name == "dict_items" && pair != nullptr && pair->items.size() == 2 ? pair->items[0]
                                                                                            : nullptr;
  if (key && !key->IsHashable())
    throw TemplateError(std::string("unhashable type: '") + key->TypeName() + "'");
  return std::any_of(items.begin(), items.end(), [&](const ValuePtr& one) { return item->Equals(*one); });
}

// Python compares keys and items as sets.
bool ViewValue::EqualsSame(const Value& other) const {
  if (this == &other) return true;
  const std::string values = "dict_values";
  if (values == TypeName() || values == other.TypeName()) return false;
  throw NotImplemented("comparing views of dicts");
}

//
// iterators
//

IteratorValue::IteratorValue(const std::vector<ValuePtr>& from, std::function<Source()> begin, bool has_json)
    : Value(kKinds), has_json(has_json), begin_(std::move(begin)) {
  for (const ValuePtr& value : from) depth = std::max(depth, Deeper(*value));
}

ValuePtr IteratorValue::TakeNext() {
  if (is_reading_) throw TemplateError("generator already executing");
  const DepthGuard guard;
  Spend(1);
  is_reading_ = true;
  if (begin_) next_ = std::exchange(begin_, nullptr)();
  const ValuePtr item = next_ ? next_() : nullptr;
  if (!item) next_ = nullptr;
  is_reading_ = false;
  return item;
}

}  // namespace jinja
