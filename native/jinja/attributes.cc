#include <algorithm>
#include <set>

#include "arguments.h"
#include "loop.h"
#include "methods.h"
#include "operations.h"
#include "utf8.h"

namespace jinja {

namespace {

ValuePtr Missing(const Value& value, const std::string& name) {
  return Make<UndefinedValue>(std::string("'") + value.TypeName() + " object' has no attribute '" +
                              Shortened(name) + "'");
}

ValuePtr NoElement(const Value& value) {
  return Make<UndefinedValue>(std::string(value.TypeName()) + " object has no such element");
}

// Attributes of every Python object, out of bounds for templates.
bool IsHidden(const std::string& name) {
  static const std::set<std::string> hidden = {
      "__class__",        "__contains__",
      "__delattr__",      "__dir__",
      "__doc__",          "__eq__",
      "__format__",       "__ge__",
      "__getitem__",      "__getattribute__",
      "__getstate__",     "__getnewargs__",
      "__gt__",           "__hash__",
      "__init__",         "__iter__",
      "__le__",           "__len__",
      "__lt__",           "__ne__",
      "__new__",          "__reduce__",
      "__repr__",         "__reduce_ex__",
      "__setattr__",      "__init_subclass__",
      "__sizeof__",       "__str__",
      "__subclasshook__",
  };
  return name.compare(0, 2, "__") == 0 && hidden.count(name) > 0;
}

// What Python's objects have beside methods, and views and iterators at all.
void RefuseAttribute(const Value& value, const std::string& name) {
  static const std::pair<uint32_t, std::set<std::string>> refused[] = {
      {kInt | kBool, {"denominator", "imag", "numerator", "real"}},
      {kFloat, {"imag", "real"}},
      {kRange, {"count", "index", "start", "step", "stop"}},
      {kView, {"isdisjoint", "mapping"}},
      {kIterator, {"close", "gi_running", "gi_suspended", "gi_yieldfrom", "send", "throw"}},
  };
  for (const auto& [kinds, names] : refused) {
    if ((value.kinds & kinds) != 0 && names.count(name) > 0) throw NotImplemented("the attribute " + name);
  }
}

// `count` characters, from the one with that index on.
MixedText Characters(const MixedView& mixed, int64_t first, int64_t count) {
  const size_t begin = OffsetOfCharacter(mixed.text, static_cast<size_t>(first));
  const std::string_view rest = mixed.text.substr(begin);
  return mixed.Part(rest.substr(0, OffsetOfCharacter(rest, static_cast<size_t>(count)))).Copy();
}

ValuePtr CharacterAt(const StringValue& value, int64_t index) {
  SpendOnReading(value.text.size());
  const auto size = static_cast<int64_t>(CountCharacters(value.text));
  if (index < 0) index += size;
  if (index < 0 || index >= size) return nullptr;
  return Make<StringValue>(Characters(value.mixed(), index, 1), value.is_markup);
}

// Null if there is no such item.
ValuePtr FindItem(const Value& value, const ValuePtr& key) {
  if (value.IsMapping()) {
    return key->IsHashable() ? static_cast<const DictValue&>(value).Find(key) : nullptr;
  }
  if (!key->IsInteger()) return nullptr;
  if ((value.kinds & kString) != 0) {
    return CharacterAt(static_cast<const StringValue&>(value), key->integer);
  }
  if ((value.kinds & (kList | kRange)) == 0) return nullptr;
  const auto size = static_cast<int64_t>(value.items.size());
  const int64_t index = key->integer < 0 ? key->integer + size : key->integer;
  return index >= 0 && index < size ? value.items[static_cast<size_t>(index)] : nullptr;
}

// Where Python's slices begin and end, and how many elements they have.
struct Slice {
  int64_t start = 0, stop = 0, step = 1, count = 0;

  Slice(size_t length, const ValuePtr& from, const ValuePtr& to, const ValuePtr& by) {
    const auto size = static_cast<int64_t>(length);
    step = by->IsNone() ? 1 : ToIndex(by);
    if (step == 0) throw TemplateError("slice step cannot be zero");
    step = std::max(step, -INT64_MAX);
    const int64_t least = step < 0 ? -1 : 0, most = step < 0 ? size - 1 : size;
    const auto place = [&](const ValuePtr& value, int64_t otherwise) {
      if (value->IsNone()) return otherwise;
      const int64_t index = ToIndex(value);
      return index < 0 ? std::max(index + size, least) : std::min(index, most);
    };
    start = place(from, step < 0 ? most : least);
    stop = place(to, step < 0 ? least : most);
    const int64_t distance = step < 0 ? start - stop : stop - start;
    count = distance <= 0 ? 0 : (distance - 1) / std::abs(step) + 1;
  }

  template <typename T>
  T Of(const T& all) const {
    T some;
    SpendOnItems(static_cast<uint64_t>(count));
    EnsureRoom(static_cast<uint64_t>(count) * sizeof(typename T::value_type));
    some.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; i++) some.push_back(all[static_cast<size_t>(start + i * step)]);
    return some;
  }
};

MixedText SliceOfText(const MixedView& mixed, const ValuePtr& start, const ValuePtr& stop,
                      const ValuePtr& step) {
  SpendOnReading(mixed.text.size());
  const Slice slice(CountCharacters(mixed.text), start, stop, step);
  if (slice.count == 0) return {};
  if (slice.step == 1) return Characters(mixed, slice.start, slice.count);
  if (IsAscii(mixed.text)) return mixed.Made(slice.Of(std::string(mixed.text)));
  return mixed.Made(EncodeUtf8(slice.Of(DecodeUtf8(mixed.text))));
}

}  // namespace

ValuePtr GetAttribute(const ValuePtr& value, const std::string& name) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (IsHidden(name)) return Missing(*value, name);
  if (Is<NamespaceValue>(value) && name.compare(0, 1, "_") == 0) return Missing(*value, name);
  if (auto* loop = As<LoopValue>(value)) return loop->Attribute(name, value);
  if (const auto* tuple = As<TupleValue>(value); tuple != nullptr && tuple->is_group) {
    if (name == "grouper") return tuple->items[0];
    if (name == "list") return tuple->items[1];
  }
  if (Is<FunctionValue>(value)) throw NotImplemented("an attribute of a function");
  const Functions& methods = MethodsOf(*value);
  const auto method = methods.find(name);
  if (method != methods.end()) return Make<FunctionValue>(name, method->second, value);
  RefuseAttribute(*value, name);
  if (const auto* dict = As<DictValue>(value)) {
    if (ValuePtr found = dict->Find(MakeText(name))) return found;
  }
  return Missing(*value, name);
}

ValuePtr GetItem(const ValuePtr& value, const ValuePtr& key) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (ValuePtr item = FindItem(*value, key)) return item;
  return Is<StringValue>(key) ? GetAttribute(value, key->text) : NoElement(*value);
}

ValuePtr GetSlice(const ValuePtr& value, const ValuePtr& start, const ValuePtr& stop, const ValuePtr& step) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (const auto* text = As<StringValue>(value)) {
    return Make<StringValue>(SliceOfText(text->mixed(), start, stop, step), text->is_markup);
  }
  const Slice slice(value->items.size(), start, stop, step);
  if (Is<ListValue>(value)) return MakeLike(*value, slice.Of(value->items));
  const auto* range = As<RangeValue>(value);
  if (range == nullptr) throw TemplateError(std::string("'") + value->TypeName() + "' cannot be sliced");
  const auto at = [&](int64_t place) { return Add(range->start, Multiply(place, range->step)); };
  return Make<RangeValue>(at(slice.start), at(slice.stop), Multiply(slice.step, range->step));
}

}  // namespace jinja
