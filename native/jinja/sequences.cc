#include <algorithm>

#include "operations.h"
#include "text.h"
#include "utf8.h"
#include "values.h"

namespace jinja {

namespace {

constexpr uint32_t kSequences = kList | kView | kRange;

// Null after the end.
ValuePtr TakeCharacter(const MixedView& mixed, size_t& pos) {
  if (pos >= mixed.text.size()) return nullptr;
  const size_t begin = pos;
  pos += CharacterSize(mixed.text, begin);
  return Make<StringValue>(mixed.Part(mixed.text.substr(begin, pos - begin)).Copy());
}

}  // namespace

Source ItemsOf(const ValuePtr& value) {
  if ((value->kinds & kSequences) != 0) {
    return [value, place = size_t(0)]() mutable -> ValuePtr {
      Spend(1);
      return place < value->items.size() ? value->items[place++] : nullptr;
    };
  }
  if (Is<StringValue>(value)) {
    return [value, pos = size_t(0)]() mutable { return TakeCharacter(As<StringValue>(value)->mixed(), pos); };
  }
  if (Is<IteratorValue>(value)) {
    return [value] { return As<IteratorValue>(value)->TakeNext(); };
  }
  if (value->IsUndefined()) return [] { return ValuePtr(); };
  if (!value->IsMapping()) throw TemplateError(std::string("'") + value->TypeName() + "' is not iterable");
  return [value, place = size_t(0)]() mutable -> ValuePtr {
    Spend(1);
    return place < value->pairs.size() ? value->pairs[place++].first : nullptr;
  };
}

std::vector<ValuePtr> Iterate(const ValuePtr& value) {
  if ((value->kinds & kSequences) != 0) {
    SpendOnItems(value->items.size());
    EnsureRoom(value->items.size() * sizeof(ValuePtr));
    return value->items;
  }
  std::vector<ValuePtr> items;
  const Source next = ItemsOf(value);
  while (const ValuePtr item = next()) {
    EnsureRoom((items.size() + 1) * sizeof(ValuePtr));
    items.push_back(item);
  }
  return items;
}

int64_t Length(const ValuePtr& value) {
  size_t length = 0;
  if ((value->kinds & kSequences) != 0) {
    length = value->items.size();
  } else if (Is<StringValue>(value)) {
    SpendOnReading(value->text.size());
    length = CountCharacters(value->text);
  } else if (value->IsMapping()) {
    length = value->pairs.size();
  } else if (!value->IsUndefined()) {
    throw TemplateError(std::string("'") + value->TypeName() + "' has no length");
  }
  return static_cast<int64_t>(length);
}

bool Contains(const ValuePtr& value, const ValuePtr& item) {
  if (Is<StringValue>(value)) {
    if (!Is<StringValue>(item)) {
      throw TemplateError(std::string("'in <string>' requires string as left operand, not ") +
                          item->TypeName());
    }
    return FindText(value->text, item->text) != std::string::npos;
  }
  if (value->IsMapping()) return static_cast<DictValue&>(*value).Find(item) != nullptr;
  if (const auto* view = As<ViewValue>(value)) return view->Has(item);
  const Source next = ItemsOf(value);
  while (const ValuePtr one = next()) {
    if (item->Equals(*one)) return true;  // the items after it can still be read
  }
  return false;
}

}  // namespace jinja
