#include <algorithm>

#include "operations.h"
#include "text.h"
#include "utf8.h"
#include "values.h"

namespace jinja {

namespace {

constexpr uint32_t kSequences = kList | kView | kRange;

std::vector<ValuePtr> CharactersOf(const std::string& text) {
  std::vector<ValuePtr> characters;
  for (size_t pos = 0, size = 0; pos < text.size(); pos += size) {
    size = CharacterSize(text, pos);
    characters.push_back(Make<StringValue>(text.substr(pos, size)));
  }
  return characters;
}

}  // namespace

std::vector<ValuePtr> Iterate(const ValuePtr& value) {
  if ((value->kinds & kSequences) != 0) {
    SpendOnItems(value->items.size());
    EnsureRoom(value->items.size() * sizeof(ValuePtr));
    return value->items;
  }
  if (Is<StringValue>(value)) return CharactersOf(value->text);
  if (auto* iterator = As<IteratorValue>(value)) return iterator->TakeAll();
  if (value->IsUndefined()) return {};
  if (!value->IsMapping()) throw TemplateError(std::string("'") + value->TypeName() + "' is not iterable");
  std::vector<ValuePtr> keys;
  SpendOnItems(value->pairs.size());
  for (const Pair& pair : value->pairs) keys.push_back(pair.first);
  return keys;
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
  if (auto* iterator = As<IteratorValue>(value)) {
    while (const ValuePtr one = iterator->TakeNext()) {
      if (item->Equals(*one)) return true;  // what is behind it can still be read
    }
    return false;
  }
  const std::vector<ValuePtr> items = Iterate(value);
  return std::any_of(items.begin(), items.end(), [&](const ValuePtr& one) { return item->Equals(*one); });
}

}  // namespace jinja
