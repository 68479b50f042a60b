// Jinja2's tests: `value is name(...)`.
#include "characters.h"
#include "filters.h"
#include "operations.h"

namespace jinja {

namespace {

template <typename Test>
Function TestsOf(Test test) {
  return [test](const Arguments& arguments) -> ValuePtr {
    return Make<BoolValue>(test(arguments.Bind({"value"})[0]));
  };
}

Function IsOfKind(uint32_t kinds) {
  return TestsOf([kinds](const ValuePtr& value) { return (value->kinds & kinds) != 0; });
}

Function Compares(Comparison comparison) {
  return [comparison](const Arguments& arguments) -> ValuePtr {
    const auto given = arguments.Bind({"/", "a", "b"}, 2);
    return Make<BoolValue>(Compare(given[0], given[1], comparison));
  };
}

bool RestIs(const ValuePtr& value, const ValuePtr& by, int64_t wanted) {
  if (Is<StringValue>(value)) throw TemplateError("not all arguments converted during string formatting");
  return Calculate("%", value, by)->Equals(*Make<IntValue>(wanted));
}

ValuePtr IsDivisible(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "num"}, 2);
  return Make<BoolValue>(RestIs(given[0], given[1], 0));
}

ValuePtr IsSame(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "other"}, 2);
  const uint32_t plain = kNone | kBool, containers = kList | kDict;
  const uint32_t kinds = given[0]->kinds | given[1]->kinds;
  if (given[0] == given[1]) return Make<BoolValue>(true);
  if ((kinds & ~plain) == 0) {
    return Make<BoolValue>(given[0]->kinds == given[1]->kinds && given[0]->Equals(*given[1]));
  }
  if ((kinds & (plain | containers)) != 0 || !given[0]->Equals(*given[1])) return Make<BoolValue>(false);
  throw NotImplemented("the test sameas with these");  // whether they are one object is up to Python
}

bool IsIterable(const ValuePtr& value) {
  return value->IsMapping() ||
         (value->kinds & (kString | kList | kView | kRange | kIterator | kUndefined | kLoop)) != 0;
}

bool IsSequence(const ValuePtr& value) {
  return value->IsMapping() || (value->kinds & (kString | kList | kRange | kUndefined)) != 0;
}

// Whether a value is the name of a known function.
Function IsNameOf(const Functions& (*known)()) {
  return TestsOf([known](const ValuePtr& value) {
    if (!value->IsHashable())
      throw TemplateError(std::string("unhashable type: '") + value->TypeName() + "'");
    return Is<StringValue>(value) && known().count(value->text) > 0;
  });
}

ValuePtr IsIn(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "seq"}, 2);
  return Make<BoolValue>(Contains(given[1], given[0]));
}

Functions MakeTests() {
  Functions tests = {
      {"boolean", IsOfKind(kBool)},
      {"callable", IsOfKind(kFunction | kUndefined | kLoop)},
      {"defined", TestsOf([](const ValuePtr& value) { return !value->IsUndefined(); })},
      {"divisibleby", IsDivisible},
      {"escaped", TestsOf([](const ValuePtr& value) {
         return Is<StringValue>(value) && As<StringValue>(value)->is_markup;
       })},
      {"even", TestsOf([](const ValuePtr& value) { return RestIs(value, Make<IntValue>(2), 0); })},
      {"false", TestsOf([](const ValuePtr& value) { return Is<BoolValue>(value) && !value->IsTrue(); })},
      {"filter", IsNameOf(Filters)},
      {"float", IsOfKind(kFloat)},
      {"in", IsIn},
      {"integer", IsOfKind(kInt)},
      {"iterable", TestsOf(IsIterable)},
      {"lower", TestsOf([](const ValuePtr& value) { return IsLower(value->ToText().text); })},
      {"mapping", TestsOf([](const ValuePtr& value) { return value->IsMapping(); })},
      {"none", IsOfKind(kNone)},
      {"number", TestsOf([](const ValuePtr& value) { return value->IsNumber(); })},
      {"odd", TestsOf([](const ValuePtr& value) { return RestIs(value, Make<IntValue>(2), 1); })},
      {"sameas", IsSame},
      {"sequence", TestsOf(IsSequence)},
      {"string", IsOfKind(kString)},
      {"test", IsNameOf(Tests)},
      {"true", TestsOf([](const ValuePtr& value) { return Is<BoolValue>(value) && value->IsTrue(); })},
      {"undefined", IsOfKind(kUndefined)},
      {"upper", TestsOf([](const ValuePtr& value) { return IsUpper(value->ToText().text); })},
  };
  const std::pair<Comparison, std::vector<const char*>> comparisons[] = {
      {Comparison::kEqual, {"==", "eq", "equalto"}},      {Comparison::kUnequal, {"!=", "ne"}},
      {Comparison::kLess, {"<", "lt", "lessthan"}},       {Comparison::kLessOrEqual, {"<=", "le"}},
      {Comparison::kGreater, {">", "gt", "greaterthan"}}, {Comparison::kGreaterOrEqual, {">=", "ge"}},
  };
  for (const auto& [comparison, names] : comparisons) {
    for (const char* name : names) tests[name] = Compares(comparison);
  }
  return tests;
}

}  // namespace

const Functions& Tests() {
  static const Functions tests = MakeTests();
  return tests;
}

}  // namespace jinja
