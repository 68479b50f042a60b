#include <utility>

#include "limits.h"
#include "loop.h"
#include "operations.h"
#include "statements.h"
#include "text.h"

namespace jinja {

namespace {

ValuePtr TextOf(const Body& body, Context& context, Flow& flow) {
  Writing writing;
  flow = RenderBody(body, context, writing.out);
  return Make<StringValue>(writing.Take());
}

// Only texts can be written there: other values are not converted.
void WriteText(MixedText& out, const ValuePtr& value) {
  if (!Is<StringValue>(value)) throw TemplateError(std::string("expected str, got ") + value->TypeName());
  Write(out, As<StringValue>(value)->mixed());
}

}  // namespace

Flow RenderBody(const Body& body, Context& context, MixedText& out) {
  for (const NodePtr& node : body) {
    const Flow flow = node->Render(context, out);
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

namespace {

template <typename Piece>
void WriteCounted(MixedText& out, const Piece& piece) {
  const size_t before = out.MemorySize();
  AppendText(out, piece);
  Budget* budget = Budget::Current();
  if (budget == nullptr) return;
  budget->Hold(out.MemorySize() - before);
  budget->EnsureOutput(out.text.size());
}

}  // namespace

void Write(MixedText& out, std::string_view text) {
  WriteCounted(out, text);
}

void Write(MixedText& out, const MixedView& text) {
  WriteCounted(out, text);
}

Writing::~Writing() {
  if (Budget* budget = Budget::Current()) budget->Release(out.MemorySize());
}

MixedText Writing::Take() {
  if (Budget* budget = Budget::Current()) budget->Release(out.MemorySize());
  return std::exchange(out, MixedText());
}

void Assign(Context& context, const Target& target, const ValuePtr& value) {
  if (target.form == Target::Form::kName) return context.Set(target.name, value);
  if (target.form == Target::Form::kAttribute) {
    const ValuePtr object = context.Get(target.name);
    if (!Is<NamespaceValue>(object)) throw TemplateError("cannot assign attribute on non-namespace object");
    return As<NamespaceValue>(object)->Insert(target.attribute, value);
  }
  const std::vector<ValuePtr> items = Iterate(value);
  if (items.size() != target.targets.size()) {
    throw TemplateError(items.size() < target.targets.size() ? "not enough values to unpack"
                                                             : "too many values to unpack");
  }
  for (size_t i = 0; i < items.size(); i++) Assign(context, target.targets[i], items[i]);
}

Flow If::DoRender(Context& context, MixedText& out) const {
  for (size_t i = 0; i < tests.size(); i++) {
    if (tests[i]->Evaluate(context)->IsTrue()) return RenderBody(bodies[i], context, out);
  }
  return RenderBody(otherwise, context, out);
}

ValuePtr For::MakeLoop(Context& context, const ValuePtr& all) const {
  Source next = ItemsOf(all);
  if (!test) return Make<LoopValue>(std::move(next), Is<IteratorValue>(all) ? -1 : Length(all));
  auto fetch = [this, &context, next = std::move(next)]() -> ValuePtr {
    while (const ValuePtr item = next()) {
      Context scope(context, {});
      Assign(scope, target, item);
      if (test->Evaluate(scope)->IsTrue()) return item;
    }
    return nullptr;
  };
  return Make<LoopValue>(std::move(fetch), -1);
}

Flow For::DoRender(Context& context, MixedText& out) const {
  const ValuePtr all = iterable->Evaluate(context);
  if (context.collects_stats()) {
    all->MarkUsed("array_access");
    if (all->IsMapping()) all->MarkUsed("object_access");
  }
  const auto* list = As<ListValue>(all);
  const size_t changes = list ? list->changes : 0;
  const ValuePtr loop = MakeLoop(context, all);
  // A template may keep `loop` after this statement.
  const std::shared_ptr<void> finish(nullptr, [&loop](void*) { As<LoopValue>(loop)->Finish(); });
  bool none_completed = true;
  while (const ValuePtr item = As<LoopValue>(loop)->Next()) {
    Context scope(context, hidden);
    scope.Set("loop", loop);
    Assign(scope, target, item);
    const Flow flow = RenderBody(body, scope, out);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kOn) none_completed = false;
    if (list && list->changes != changes) throw NotImplemented("changing a list within a loop over it");
  }
  if (!none_completed) return Flow::kOn;
  Context scope(context, otherwise_hidden);
  return RenderBody(otherwise, scope, out);
}

Flow Leave::DoRender(Context&, MixedText&) const {
  return ends ? Flow::kBreak : Flow::kContinue;
}

Flow Set::DoRender(Context& context, MixedText&) const {
  Assign(context, target, value->Evaluate(context));
  return Flow::kOn;
}

void Block::ForEachChild(const Visitor& visit) const {
  VisitEach(visit, values);
  for (const NamedCall& filter : filters) filter.arguments.ForEachChild(visit);
  VisitEach(visit, body);
}

Flow Block::DoRender(Context& context, MixedText& out) const {
  Context scope(context, hidden);
  for (size_t i = 0; i < assignees.size(); i++) Assign(scope, assignees[i], values[i]->Evaluate(context));
  if (filters.empty() && target.empty()) return RenderBody(body, scope, out);
  Flow flow = Flow::kOn;
  ValuePtr text = TextOf(body, scope, flow);
  if (flow != Flow::kOn) return flow;  // what it wrote is lost
  for (const NamedCall& filter : filters) text = ApplyFilter(scope, filter, text);
  if (target.empty()) {
    WriteText(out, text);
  } else {
    Assign(context, target[0], text);
  }
  return Flow::kOn;
}

void Procedure::ForEachChild(const Visitor& visit) const {
  VisitEach(visit, defaults);
  VisitEach(visit, body);
}

// The variables around are held weakly, since the function may be one of them.
ValuePtr Procedure::MakeFunction(const std::string& name, const Context& context) const {
  const std::weak_ptr<Scope> around = context.scope();
  return Make<FunctionValue>(name, [this, name, around](const Arguments& arguments) -> ValuePtr {
    std::shared_ptr<Scope> scope = around.lock();
    if (!scope) throw NotImplemented("calling the macro '" + name + "' where its surroundings are gone");
    Context inner(arguments.context, std::move(scope), hidden);
    Bind(name, arguments, inner);
    Flow flow = Flow::kOn;  // the parser lets nothing leave it
    return TextOf(body, inner, flow);
  });
}

void Procedure::Bind(const std::string& name, const Arguments& arguments, Context& context) const {
  std::vector<ValuePtr> places;
  std::vector<const KeywordValue*> keywords;
  for (const ValuePtr& argument : arguments.all) {
    if (const auto* keyword = As<KeywordValue>(argument)) {
      keywords.push_back(keyword);
    } else {
      places.push_back(argument);
    }
  }
  const auto take = [&](const std::string& wanted) -> ValuePtr {
    Spend(keywords.size() / 8);
    for (auto at = keywords.begin(); at != keywords.end(); ++at) {
      if ((*at)->name != wanted) continue;
      const ValuePtr value = (*at)->value;
      keywords.erase(at);
      return value;
    }
    return nullptr;
  };
  for (size_t i = 0; i < parameters.size(); i++) {
    const std::string& parameter = parameters[i];
    const ValuePtr value = i < places.size() ? places[i] : take(parameter);
    context.Set(parameter,
                value ? value : Make<UndefinedValue>("parameter '" + parameter + "' was not provided"));
    // A default may look at the parameters before it.
    if (!value && defaults[i]) context.Set(parameter, defaults[i]->Evaluate(context));
  }
  if (uses_caller) {
    const ValuePtr caller = take("caller");
    context.Set("caller", caller ? caller : Make<UndefinedValue>("No caller defined"));
  }
  if (uses_kwargs) {
    const auto rest = Make<DictValue>();
    for (const KeywordValue* keyword : keywords) rest->Insert(keyword->MakeKey(), keyword->value);
    context.Set("kwargs", rest);
  } else if (!keywords.empty()) {
    throw TemplateError("macro '" + name + "' takes no keyword argument '" + Shortened(keywords[0]->name) +
                        "'");
  }
  const size_t used = std::min(parameters.size(), places.size());
  if (uses_varargs) {
    const std::vector<ValuePtr> rest(places.begin() + static_cast<ptrdiff_t>(used), places.end());
    context.Set("varargs", Make<TupleValue>(rest));
  } else if (used < places.size()) {
    throw TemplateError("macro '" + name + "' takes not more than " + std::to_string(used) + " argument(s)");
  }
}

Flow Macro::DoRender(Context& context, MixedText&) const {
  context.Set(name, procedure.MakeFunction(name, context));
  return Flow::kOn;
}

Flow CallBlock::DoRender(Context& context, MixedText& out) const {
  const ValuePtr function = caller.MakeFunction("caller", context);
  const ValuePtr result =
      static_cast<const Call&>(*call).CallWith(context, Make<KeywordValue>("caller", function));
  WriteText(out, result);
  return Flow::kOn;
}

}  // namespace jinja
