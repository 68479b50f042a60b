// Filters that take filters and tests, and the one that chooses a default.
#include "filters.h"
#include "operations.h"

namespace jinja {

namespace {

ValuePtr Default(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "default_value", "boolean"});
  const bool is_missing = given[0]->IsUndefined() || (IsTrue(given[2]) && !given[0]->IsTrue());
  if (!is_missing) return given[0];
  return given[1] ? given[1] : MakeText("");
}

// The arguments of a call for each item: the item, then those after the first `skipped` ones.
Arguments ForItem(const Arguments& arguments, const std::string& name, const ValuePtr& item, size_t skipped) {
  Arguments rest(arguments.context, name);
  rest.Add(item);
  for (size_t i = skipped; i < arguments.all.size(); i++) rest.Add(arguments.all[i]);
  return rest;
}

const Function& FindByName(const Arguments& arguments, size_t place, const Functions& known) {
  const bool has_name = place < arguments.all.size() && Is<StringValue>(arguments.all[place]);
  const auto found = has_name ? known.find(arguments.all[place]->text) : known.end();
  if (found == known.end()) throw TemplateError(arguments.name + ": no such filter or test");
  return found->second;
}

ValuePtr Map(const Arguments& arguments) {
  if (arguments.all.empty()) throw TemplateError("map() misses an argument");
  const auto begin = [arguments]() -> Source {
    if (!arguments.all[0]->IsTrue()) return [] { return ValuePtr(); };
    Source next = ItemsOf(arguments.all[0]);
    if (arguments.all.size() > 1 && Is<KeywordValue>(arguments.all[1])) {
      const auto given = arguments.Bind({"seq", "attribute", "default"}, 2);
      return [given, next = std::move(next)] {
        const ValuePtr item = next();
        return item ? PickAttribute(item, given[1], given[2]) : nullptr;
      };
    }
    const Function& filter = FindByName(arguments, 1, Filters());
    return [arguments, &filter, next = std::move(next)] {
      const ValuePtr item = next();
      return item ? filter(ForItem(arguments, arguments.all[1]->text, item, 2)) : nullptr;
    };
  };
  return Make<IteratorValue>(arguments.all, begin, true);
}

Function Selects(bool wanted, bool by_attribute) {
  return [wanted, by_attribute](const Arguments& arguments) -> ValuePtr {
    const size_t place = by_attribute ? 2 : 1;
    if (arguments.all.size() < place) throw TemplateError(arguments.name + "() misses an argument");
    return Make<IteratorValue>(arguments.all, [wanted, by_attribute, place, arguments]() -> Source {
      if (!arguments.all[0]->IsTrue()) return [] { return ValuePtr(); };
      const bool has_test = arguments.all.size() > place;
      const Function* test = has_test ? &FindByName(arguments, place, Tests()) : nullptr;
      const std::string name = has_test ? arguments.all[place]->text : "";
      const ValuePtr attribute = by_attribute ? arguments.all[1] : nullptr;
      const auto is_wanted = [=](const ValuePtr& item) {
        const ValuePtr tested = PickAttribute(item, attribute);
        const ValuePtr result = test ? (*test)(ForItem(arguments, name, tested, place + 1)) : tested;
        return result->IsTrue() == wanted;
      };
      return [is_wanted, next = ItemsOf(arguments.all[0])]() -> ValuePtr {
        while (const ValuePtr item = next()) {
          if (is_wanted(item)) return item;
        }
        return nullptr;
      };
    });
  };
}

}  // namespace

Functions ChoosingFilters() {
  return {
      {"d", Default},
      {"default", Default},
      {"map", Map},
      {"reject", Selects(false, false)},
      {"rejectattr", Selects(false, true)},
      {"select", Selects(true, false)},
      {"selectattr", Selects(true, true)},
  };
}

}  // namespace jinja
