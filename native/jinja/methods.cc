#include "methods.h"

#include <algorithm>

#include "context.h"
#include "operations.h"

namespace jinja {

namespace {

ValuePtr RefuseChange(const Arguments& arguments) {
  throw TemplateError("access to attribute '" + arguments.name + "' is unsafe: it changes a value");
}

//
// lists and tuples
//

ValuePtr CountItems(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "value"}, 2);
  const auto& items = given[0]->items;
  const auto is_it = [&](const ValuePtr& item) { return item->Equals(*given[1]); };
  return Make<IntValue>(std::count_if(items.begin(), items.end(), is_it));
}

ValuePtr FindPlace(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "value", "start", "stop"}, 2);
  const auto& items = given[0]->items;
  const auto size = static_cast<int64_t>(items.size());
  const auto place = [&](const ValuePtr& bound, int64_t otherwise) {
    const int64_t index = bound ? ToIndex(bound) : otherwise;
    return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size);
  };
  const int64_t last = place(given[3], size);
  for (int64_t i = place(given[2], 0); i < last; i++) {
    if (items[static_cast<size_t>(i)]->Equals(*given[1])) return Make<IntValue>(i);
  }
  throw TemplateError("the value is not in the list");
}

// The sandbox of transformers forbids append() and pop() as well; templates made for other engines rely on
// them.
ValuePtr Append(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "value"}, 2);
  arguments.context.Keep(given[0]);
  static_cast<ListValue&>(*given[0]).Append(given[1]);
  return Make<NoneValue>();
}

ValuePtr Pop(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "index"});
  auto& list = static_cast<ListValue&>(*given[0]);
  auto& items = list.items;
  const auto size = static_cast<int64_t>(items.size());
  int64_t index = given[1] ? ToIndex(given[1]) : -1;
  if (index < 0) index += size;
  if (index < 0 || index >= size) throw TemplateError("pop index out of range");
  SpendOnItems(items.size());
  list.changes++;
  const ValuePtr taken = items[static_cast<size_t>(index)];
  items.erase(items.begin() + index);
  return taken;
}

ValuePtr CopyList(const Arguments& arguments) {
  return Make<ListValue>(arguments.Bind({"/", "self"})[0]->items);
}

const Functions& ListMethods() {
  static const Functions methods = {
      {"append", Append},       {"clear", RefuseChange},   {"copy", CopyList},       {"count", CountItems},
      {"extend", RefuseChange}, {"index", FindPlace},      {"insert", RefuseChange}, {"pop", Pop},
      {"remove", RefuseChange}, {"reverse", RefuseChange}, {"sort", RefuseChange},
  };
  return methods;
}

const Functions& TupleMethods() {
  static const Functions methods = {{"count", CountItems}, {"index", FindPlace}};
  return methods;
}

//
// dicts
//

template <typename Pick>
Function View(const char* name, Pick pick) {
  return [name, pick](const Arguments& arguments) -> ValuePtr {
    std::vector<ValuePtr> items;
    for (const Pair& pair : arguments.Bind({"/", "self"})[0]->pairs) items.push_back(pick(pair));
    return Make<ViewValue>(name, std::move(items));
  };
}

ValuePtr CopyDict(const Arguments& arguments) {
  auto copy = Make<DictValue>();
  for (const Pair& pair : arguments.Bind({"/", "self"})[0]->pairs) copy->Insert(pair.first, pair.second);
  return copy;
}

ValuePtr Get(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "key", "default"}, 2);
  if (ValuePtr found = static_cast<DictValue&>(*given[0]).Find(given[1])) return found;
  return given[2] ? given[2] : Make<NoneValue>();
}

const Functions& DictMethods() {
  static const Functions methods = {
      {"clear", RefuseChange},
      {"copy", CopyDict},
      {"fromkeys", RefuseToCall},
      {"get", Get},
      {"items", View("dict_items", [](const Pair& pair) -> ValuePtr { return Make<TupleValue>(pair); })},
      {"keys", View("dict_keys", [](const Pair& pair) { return pair.first; })},
      {"pop", RefuseChange},
      {"popitem", RefuseChange},
      {"setdefault", RefuseChange},
      {"update", RefuseChange},
      {"values", View("dict_values", [](const Pair& pair) { return pair.second; })},
  };
  return methods;
}

//
// numbers
//

Functions Refused(const std::vector<const char*>& names) {
  Functions methods;
  for (const char* name : names) methods[name] = RefuseToCall;
  return methods;
}

const Functions& IntMethods() {
  static const Functions methods =
      Refused({"as_integer_ratio", "bit_count", "bit_length", "conjugate", "from_bytes", "to_bytes"});
  return methods;
}

const Functions& FloatMethods() {
  static const Functions methods = Refused({"as_integer_ratio", "conjugate", "fromhex", "hex", "is_integer"});
  return methods;
}

}  // namespace

const Functions& MethodsOf(const Value& value) {
  static const Functions none;
  if ((value.kinds & kString) != 0) return StringMethods();
  if ((value.kinds & kTuple) != 0) return TupleMethods();
  if ((value.kinds & kList) != 0) return ListMethods();
  if (value.IsMapping()) return DictMethods();
  if (value.IsInteger()) return IntMethods();
  return (value.kinds & kFloat) != 0 ? FloatMethods() : none;
}

}  // namespace jinja
