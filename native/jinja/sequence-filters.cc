#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "characters.h"
#include "filters.h"
#include "methods.h"
#include "operations.h"
#include "text.h"

namespace jinja {

ValuePtr PickAttribute(const ValuePtr& item, const ValuePtr& attribute, const ValuePtr& otherwise) {
  if (!IsGiven(attribute)) return item;
  ValuePtr found = item;
  const auto step = [&](const ValuePtr& key) {
    found = GetItem(found, key);
    if (IsGiven(otherwise) && found->IsUndefined()) found = otherwise;
  };
  if (!Is<StringValue>(attribute)) {
    step(attribute);
    return found;
  }
  const std::string& path = attribute->text;
  for (size_t at = 0, end = 0; at <= path.size(); at = end + 1) {
    end = std::min(path.find('.', at), path.size());
    const std::string part = path.substr(at, end - at);
    const bool is_index =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    step(is_index ? ValuePtr(Make<IntValue>(std::stoi(part))) : MakeText(part));
  }
  return found;
}

ValuePtr FoldCase(const ValuePtr& value, bool case_sensitive) {
  return case_sensitive || !Is<StringValue>(value) ? value : MakeText(ToLower(value->text));
}

namespace {

ValuePtr First(const Arguments& arguments) {
  const ValuePtr sequence = arguments.Bind({"seq"})[0];
  ValuePtr first;
  if (auto* iterator = As<IteratorValue>(sequence)) {
    first = iterator->TakeNext();
  } else {
    first = ItemsOf(sequence)();
  }
  return first ? first : Make<UndefinedValue>("No first item, sequence was empty.");
}

ValuePtr Last(const Arguments& arguments) {
  const ValuePtr sequence = arguments.Bind({"seq"})[0];
  if (Is<IteratorValue>(sequence)) throw TemplateError("'generator' object is not reversible");
  if (const auto* text = As<StringValue>(sequence); text != nullptr && !text->text.empty()) {
    return GetItem(sequence, Make<IntValue>(-1));  // of markup it is markup
  }
  const std::vector<ValuePtr> items = Iterate(sequence);
  return items.empty() ? Make<UndefinedValue>("No last item, sequence was empty.") : items.back();
}

// An attribute, where GetItem() looks for an item first.
ValuePtr TakeAttribute(const Arguments& arguments) {
  const auto given = arguments.Bind({"obj", "name"}, 2);
  if (!Is<StringValue>(given[1])) throw NotImplemented("the filter attr with that name");
  const bool is_item = given[0]->IsMapping() && MethodsOf(*given[0]).count(given[1]->text) == 0;
  return is_item ? Make<UndefinedValue>("'dict object' has no such attribute")
                 : GetAttribute(given[0], given[1]->text);
}

ValuePtr CountItems(const Arguments& arguments) {
  return Make<IntValue>(Length(arguments.Bind({"obj"})[0]));
}

ValuePtr List(const Arguments& arguments) {
  return Make<ListValue>(Iterate(arguments.Bind({"value"})[0]));
}

ValuePtr Reverse(const Arguments& arguments) {
  const ValuePtr input = arguments.Bind({"value"})[0];
  const ValuePtr none = Make<NoneValue>();
  if (Is<StringValue>(input)) return GetSlice(input, none, none, Make<IntValue>(-1));
  std::vector<ValuePtr> items = Iterate(input);
  std::reverse(items.begin(), items.end());
  const ValuePtr reversed = Make<ListValue>(std::move(items));
  if (Is<IteratorValue>(input)) return reversed;
  return Make<IteratorValue>(arguments.all, [reversed] { return ItemsOf(reversed); });
}

ValuePtr Join(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "d", "attribute"});
  const std::vector<ValuePtr> items = Iterate(given[0]);
  const MixedText between = given[1] ? given[1]->ToText() : MixedText();
  MixedText out;
  for (size_t i = 0; i < items.size(); i++) {
    if (i > 0) AppendText(out, between);
    AppendText(out, PickAttribute(items[i], given[2])->ToText());
  }
  return Make<StringValue>(std::move(out));
}

ValuePtr Sum(const Arguments& arguments) {
  const auto given = arguments.Bind({"iterable", "attribute", "start"});
  ValuePtr total = given[2] ? given[2] : Make<IntValue>(0);
  if (Is<StringValue>(total)) throw TemplateError("sum() can't sum strings");
  for (const ValuePtr& item : Iterate(given[0])) {
    total = Calculate("+", total, PickAttribute(item, given[1]));
  }
  return total;
}

ValuePtr Items(const Arguments& arguments) {
  const ValuePtr input = arguments.Bind({"value"})[0];
  return Make<IteratorValue>(arguments.all, [input]() -> Source {
    if (!input->IsUndefined() && !input->IsMapping()) {
      throw TemplateError("Can only get item pairs from a mapping.");
    }
    return [input, place = size_t(0)]() mutable -> ValuePtr {
      return place < input->pairs.size() ? Make<TupleValue>(input->pairs[place++]) : nullptr;
    };
  });
}

std::vector<ValuePtr> Sorted(const std::vector<ValuePtr>& items, const std::vector<ValuePtr>& keys,
                             bool reverse) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reverse ? IsLess(keys[b], keys[a]) : IsLess(keys[a], keys[b]);
  });
  std::vector<ValuePtr> sorted;
  for (const size_t place : order) sorted.push_back(items[place]);
  return sorted;
}

// The attributes of "one,other".
std::vector<ValuePtr> AttributesOf(const ValuePtr& names) {
  if (!names || !Is<StringValue>(names)) return {names};
  std::vector<ValuePtr> attributes;
  const std::string& text = names->text;
  for (size_t at = 0, end = 0; at <= text.size(); at = end + 1) {
    end = std::min(text.find(',', at), text.size());
    attributes.push_back(MakeText(text.substr(at, end - at)));
  }
  return attributes;
}

ValuePtr Sort(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "reverse", "case_sensitive", "attribute"});
  const std::vector<ValuePtr> items = Iterate(given[0]), attributes = AttributesOf(given[3]);
  std::vector<ValuePtr> keys;
  for (const ValuePtr& item : items) {
    const auto key = Make<ListValue>();  // what is equal in it needs no order
    for (const ValuePtr& attribute : attributes) {
      key->Append(FoldCase(PickAttribute(item, attribute), IsTrue(given[2])));
    }
    keys.push_back(key);
  }
  return Make<ListValue>(Sorted(items, keys, IsTrue(given[1])));
}

ValuePtr SortDict(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "case_sensitive", "by", "reverse"});
  const std::string by = given[2] ? given[2]->ToText().text : "key";
  if (by != "key" && by != "value") throw TemplateError("You can only sort by either \"key\" or \"value\"");
  if (given[0]->IsUndefined()) ThrowUndefined(*given[0]);
  if (!given[0]->IsMapping()) throw TemplateError(std::string(given[0]->TypeName()) + " has no items");
  std::vector<ValuePtr> pairs, keys;
  for (const Pair& pair : given[0]->pairs) {
    pairs.push_back(Make<TupleValue>(pair));
    keys.push_back(FoldCase(by == "key" ? pair.first : pair.second, IsTrue(given[1])));
  }
  return Make<ListValue>(Sorted(pairs, keys, IsTrue(given[3])));
}

// Pairs of a value and the items that have it, in the order of the values.
ValuePtr GroupBy(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "attribute", "default", "case_sensitive"}, 2);
  const auto key_of = [&](const ValuePtr& item) {
    return FoldCase(PickAttribute(item, given[1], given[2]), IsTrue(given[3]));
  };
  const std::vector<ValuePtr> items = Iterate(given[0]);
  std::vector<ValuePtr> keys, groups;
  for (const ValuePtr& item : items) keys.push_back(key_of(item));
  const std::vector<ValuePtr> sorted = Sorted(items, keys, false);
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    const ValuePtr key = key_of(sorted[begin]);
    while (end < sorted.size() && key->Equals(*key_of(sorted[end]))) end++;
    const ValuePtr group = Make<ListValue>(std::vector<ValuePtr>(
        sorted.begin() + static_cast<ptrdiff_t>(begin), sorted.begin() + static_cast<ptrdiff_t>(end)));
    const auto pair = Make<TupleValue>(Pair(PickAttribute(sorted[begin], given[1], given[2]), group));
    pair->is_group = true;
    groups.push_back(pair);
  }
  return Make<ListValue>(std::move(groups));
}

Function PicksExtreme(bool greatest) {
  return [greatest](const Arguments& arguments) -> ValuePtr {
    const auto given = arguments.Bind({"value", "case_sensitive", "attribute"});
    ValuePtr best, best_key;
    for (const ValuePtr& item : Iterate(given[0])) {
      const ValuePtr key = FoldCase(PickAttribute(item, given[2]), IsTrue(given[1]));
      const bool is_better = !best || (greatest ? IsLess(best_key, key) : IsLess(key, best_key));
      if (is_better) best = item;
      if (is_better) best_key = key;
    }
    return best ? best : Make<UndefinedValue>("No aggregated item, sequence was empty.");
  };
}

ValuePtr Unique(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "case_sensitive", "attribute"});
  return Make<IteratorValue>(arguments.all, [given]() -> Source {
    const auto seen = std::make_shared<std::unordered_set<ValuePtr, ValueHash, ValueEquality>>();
    return [given, seen, next = ItemsOf(given[0])]() -> ValuePtr {
      while (const ValuePtr item = next()) {
        const ValuePtr key = FoldCase(PickAttribute(item, given[2]), IsTrue(given[1]));
        if (!key->IsHashable()) {
          throw TemplateError(std::string("unhashable type: '") + key->TypeName() + "'");
        }
        EnsureRoom((seen->size() + 1) * 64);
        if (seen->insert(key).second) return item;
      }
      return nullptr;
    };
  });
}

ValuePtr Batch(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "linecount", "fill_with"}, 2);
  return Make<IteratorValue>(arguments.all, [given]() -> Source {
    const int64_t size = ToIndex(given[1]);
    if (size < 1) throw NotImplemented("the filter batch with less than one item");
    return [given, size, next = ItemsOf(given[0]), first = ValuePtr()]() mutable -> ValuePtr {
      std::vector<ValuePtr> row;
      const auto add = [&](const ValuePtr& item) {
        Spend(1);
        EnsureRoom((row.size() + 1) * sizeof(ValuePtr));
        row.push_back(item);
      };
      if (first) row.push_back(std::exchange(first, nullptr));
      // That a row is full is seen when the next item comes.
      while (const ValuePtr item = next()) {
        if (static_cast<int64_t>(row.size()) == size) {
          first = item;
          return Make<ListValue>(std::move(row));
        }
        add(item);
      }
      if (row.empty()) return nullptr;
      while (IsGiven(given[2]) && static_cast<int64_t>(row.size()) < size) add(given[2]);
      return Make<ListValue>(std::move(row));
    };
  });
}

}  // namespace

Functions SequenceFilters() {
  return {
      {"attr", TakeAttribute},
      {"batch", Batch},
      {"count", CountItems},
      {"dictsort", SortDict},
      {"first", First},
      {"groupby", GroupBy},
      {"items", Items},
      {"join", Join},
      {"last", Last},
      {"length", CountItems},
      {"list", List},
      {"max", PicksExtreme(true)},
      {"min", PicksExtreme(false)},
      {"reverse", Reverse},
      {"sort", Sort},
      {"sum", Sum},
      {"unique", Unique},
  };
}

}  // namespace jinja
