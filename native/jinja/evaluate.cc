#include "context.h"
#include "expressions.h"
#include "filters.h"
#include "globals.h"
#include "operations.h"

namespace jinja {

namespace {

// `run()`, with the node's position added to its errors unless they have one.
template <typename Run>
auto Guarded(const Node& node, const Run& run) {
  const DepthGuard guard;
  Spend(1);
  try {
    return run();
  } catch (const RenderError&) {
    throw;
  } catch (const TemplateError& error) {
    throw RenderError(error.what(), node.position);
  }
}

// Functions look at all of the texts that they are given, if not of what is in lists.
void SpendOnArguments(const Arguments& arguments) {
  for (const ValuePtr& argument : arguments.all) {
    const auto* keyword = As<KeywordValue>(argument);
    SpendOnReading((keyword != nullptr ? keyword->value : argument)->text.size());
  }
}

Arguments WithInput(Context& context, const NamedCall& call, const ValuePtr& input) {
  Arguments arguments(context.outermost(), call.name);
  arguments.Add(input);
  call.arguments.EvaluateInto(arguments, context);
  SpendOnArguments(arguments);
  return arguments;
}

bool Holds(const std::string& op, const ValuePtr& left, const ValuePtr& right) {
  static const std::map<std::string, Comparison> comparisons = {
      {"==", Comparison::kEqual},       {"!=", Comparison::kUnequal}, {"<", Comparison::kLess},
      {"<=", Comparison::kLessOrEqual}, {">", Comparison::kGreater},  {">=", Comparison::kGreaterOrEqual},
  };
  if (op == "in" || op == "not in") return Contains(right, left) == (op == "in");
  return Compare(left, right, comparisons.at(op));
}

}  // namespace

Flow Node::Render(Context& context, MixedText& out) const {
  return Guarded(*this, [&] { return DoRender(context, out); });
}

ValuePtr Expression::Evaluate(Context& context) const {
  return Guarded(*this, [&] { return DoEvaluate(context); });
}

Flow Expression::DoRender(Context& context, MixedText& out) const {
  const ValuePtr value = DoEvaluate(context);
  if (context.collects_stats()) value->MarkAllUsed();
  Write(out, value->ToText());
  return Flow::kOn;
}

ValuePtr Text::DoEvaluate(Context&) const {
  return MakeText(text);
}

Flow Text::DoRender(Context&, MixedText& out) const {
  Write(out, text);
  return Flow::kOn;
}

ValuePtr Name::DoEvaluate(Context& context) const {
  if (ValuePtr found = context.Find(name)) {
    if (context.collects_stats()) found->MarkUsed();
    return found;
  }
  if (name == "self") throw NotImplemented("self");
  const auto global = Globals().find(name);
  return global == Globals().end() ? context.Get(name) : Make<FunctionValue>(name, global->second);
}

ValuePtr ListLiteral::DoEvaluate(Context& context) const {
  std::vector<ValuePtr> values;
  for (const ExpressionPtr& item : items) values.push_back(item->Evaluate(context));
  return is_tuple ? ValuePtr(Make<TupleValue>(std::move(values))) : Make<ListValue>(std::move(values));
}

ValuePtr DictLiteral::DoEvaluate(Context& context) const {
  const auto dict = Make<DictValue>();
  for (size_t i = 0; i < keys.size(); i++) {
    const ValuePtr key = keys[i]->Evaluate(context);
    dict->Insert(key, values[i]->Evaluate(context));
  }
  return dict;
}

ValuePtr Attribute::DoEvaluate(Context& context) const {
  const ValuePtr value = object->Evaluate(context), found = GetAttribute(value, name);
  if (context.collects_stats()) {
    value->MarkUsed(Is<FunctionValue>(found) ? name.c_str() : "object_access");
    found->MarkUsed();
  }
  return found;
}

ValuePtr Item::DoEvaluate(Context& context) const {
  const ValuePtr value = object->Evaluate(context), index = key->Evaluate(context);
  const ValuePtr found = GetItem(value, index);
  if (context.collects_stats()) {
    value->MarkUsed(Is<IntValue>(index)      ? "array_access"
                    : Is<StringValue>(index) ? "object_access"
                                             : nullptr);
    index->MarkUsed();
    found->MarkUsed();
  }
  return found;
}

ValuePtr SliceItem::DoEvaluate(Context& context) const {
  const ValuePtr value = object->Evaluate(context);
  const auto bound = [&](const ExpressionPtr& expression) {
    return expression ? expression->Evaluate(context) : Make<NoneValue>();
  };
  const ValuePtr from = bound(start), to = bound(stop), by = bound(step);
  if (context.collects_stats()) value->MarkUsed("slice");
  return GetSlice(value, from, to, by);
}

void ArgumentList::ForEachChild(const Visitor& visit) const {
  for (const ArgumentNode& argument : all) VisitAll(visit, argument.value);
}

void ArgumentList::EvaluateInto(Arguments& arguments, Context& context) const {
  for (const ArgumentNode& argument : all) {
    const ValuePtr value = argument.value->Evaluate(context);
    if (argument.form == ArgumentNode::Form::kPlace) {
      arguments.Add(value);
    } else if (argument.form == ArgumentNode::Form::kKeyword) {
      arguments.Add(Make<KeywordValue>(argument.name, value));
    } else if (argument.form == ArgumentNode::Form::kSpread) {
      for (const ValuePtr& item : Iterate(value)) arguments.Add(item);
    } else {
      if (!value->IsMapping()) throw TemplateError("argument after ** must be a mapping");
      for (const Pair& pair : value->pairs) {
        if (!Is<StringValue>(pair.first)) throw TemplateError("keywords must be strings");
        arguments.Add(Make<KeywordValue>(pair.first->ToText(), pair.second));
      }
    }
  }
}

ValuePtr Call::CallWith(Context& context, const ValuePtr& keyword) const {
  const ValuePtr called = callee->Evaluate(context);
  if (called->IsUndefined()) ThrowUndefined(*called);
  const auto* function = As<FunctionValue>(called);
  if (function == nullptr) throw TemplateError(std::string("'") + called->TypeName() + "' is not callable");
  Arguments given(context.outermost(), function->name);
  if (function->self) given.Add(function->self);
  arguments.EvaluateInto(given, context);
  if (keyword) given.Add(keyword);
  SpendOnArguments(given);
  return function->function(given);
}

ValuePtr ApplyFilter(Context& context, const NamedCall& filter, const ValuePtr& input) {
  const auto found = Filters().find(filter.name);
  if (found == Filters().end()) throw TemplateError("No filter named '" + filter.name + "'.");
  const Arguments arguments = WithInput(context, filter, input);
  if (context.collects_stats()) input->MarkUsed(filter.name.c_str());
  return found->second(arguments);
}

ValuePtr FilterCall::DoEvaluate(Context& context) const {
  return ApplyFilter(context, filter, input->Evaluate(context));
}

ValuePtr TestCall::DoEvaluate(Context& context) const {
  const ValuePtr value = input->Evaluate(context);
  const auto found = Tests().find(test.name);
  if (found == Tests().end()) throw TemplateError("No test named '" + test.name + "'.");
  const Arguments arguments = WithInput(context, test, value);
  if (context.collects_stats()) value->MarkUsed(("test_is_" + test.name).c_str());
  return Make<BoolValue>(found->second(arguments)->IsTrue() != negates);
}

ValuePtr Unary::DoEvaluate(Context& context) const {
  const ValuePtr value = operand->Evaluate(context);
  if (op == "not") return Make<BoolValue>(!value->IsTrue());
  if (op == "+" && Is<FloatValue>(value)) return value;                           // 0 + -0.0 is no -0.0
  if (op == "-" && Is<FloatValue>(value)) return Make<FloatValue>(-value->real);  // 0 - 0.0 is no -0.0
  return Calculate(op, Make<IntValue>(0), value);
}

ValuePtr Row::DoEvaluate(Context& context) const {
  ValuePtr value = operands[0]->Evaluate(context);
  for (size_t i = 0; i < operators.size(); i++) {
    const auto& [op, place, may_negate_power] = operators[i];
    Spend(1);
    if (op == "and" || op == "or") {
      if (value->IsTrue() == (op == "or")) return value;
      value = operands[i + 1]->Evaluate(context);
      continue;
    }
    const ValuePtr right = operands[i + 1]->Evaluate(context);
    try {
      if (may_negate_power && value->IsNumber() && value->real < 0) throw NotImplemented("this power");
      value = Calculate(op, value, right);
    } catch (const TemplateError& error) {
      throw RenderError(error.what(), place);
    }
  }
  return value;
}

ValuePtr ComparisonChain::DoEvaluate(Context& context) const {
  ValuePtr left = operands[0]->Evaluate(context);
  for (size_t i = 0; i < ops.size(); i++) {
    const ValuePtr right = operands[i + 1]->Evaluate(context);
    if (!Holds(ops[i], left, right)) return Make<BoolValue>(false);
    left = right;
  }
  return Make<BoolValue>(true);
}

ValuePtr Conditional::DoEvaluate(Context& context) const {
  if (test->Evaluate(context)->IsTrue()) return one->Evaluate(context);
  if (other) return other->Evaluate(context);
  return Make<UndefinedValue>("the inline if-expression evaluated to false and no else section was defined.");
}

}  // namespace jinja
