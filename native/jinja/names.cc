// Goes through a template's scopes once it is parsed.
#include "filters.h"
#include "parser.h"
#include "symbols.h"

namespace jinja {

namespace {

bool Assigns(const Target& target, const std::string& name) {
  Spend(1);
  if (target.form == Target::Form::kName) return target.name == name;
  return std::any_of(target.targets.begin(), target.targets.end(),
                     [&](const Target& one) { return Assigns(one, name); });
}

// Whether a node assigns a name itself.
bool Assigns(const Node& node, const std::string& name) {
  if (const auto* set = dynamic_cast<const Set*>(&node)) return Assigns(set->target, name);
  if (const auto* macro = dynamic_cast<const Macro*>(&node)) return macro->name == name;
  if (const auto* loop = dynamic_cast<const For*>(&node)) return Assigns(loop->target, name);
  const auto* block = dynamic_cast<const Block*>(&node);
  return block != nullptr && !block->target.empty() && Assigns(block->target[0], name);
}

// Whether a node, or a node within it, assigns a name.
bool AssignsWithin(const Node& node, const std::string& name) {
  Spend(1);
  bool found = Assigns(node, name);
  node.ForEachChild([&](const Node& child) { found = found || AssignsWithin(child, name); });
  return found;
}

// Whether a name is looked at anywhere within, before it is assigned.
bool LooksAt(const Node& node, const std::string& name, bool& is_assigned) {
  Spend(1);
  if (const auto* looked_at = dynamic_cast<const Name*>(&node))
    return looked_at->name == name && !is_assigned;
  if (Assigns(node, name)) is_assigned = true;
  bool found = false;
  node.ForEachChild([&](const Node& child) { found = found || LooksAt(child, name, is_assigned); });
  return found;
}

bool LooksAt(const Body& body, const std::string& name) {
  bool is_assigned = false;
  return std::any_of(body.begin(), body.end(),
                     [&](const NodePtr& node) { return LooksAt(*node, name, is_assigned); });
}

// Unknown names of filters and tests fail only where they run if that depends on a condition.
void CheckName(const NamedCall& call, const Functions& known, const char* kind, bool is_conditional) {
  if (is_conditional || known.count(call.name) > 0) return;
  throw SyntaxError(std::string("No ") + kind + " named '" + call.name + "'.", call.position);
}

void CheckNames(const Node& expression, bool is_conditional) {
  Spend(1);
  if (const auto* filter = dynamic_cast<const FilterCall*>(&expression)) {
    CheckName(filter->filter, Filters(), "filter", is_conditional);
  } else if (const auto* test = dynamic_cast<const TestCall*>(&expression)) {
    CheckName(test->test, Tests(), "test", is_conditional);
  }
  const bool is_choice = dynamic_cast<const Conditional*>(&expression) != nullptr;
  expression.ForEachChild([&](const Node& child) { CheckNames(child, is_conditional || is_choice); });
}

void Resolve(Node& node, const Symbols& scope, bool is_conditional);

void Resolve(const Body& body, const Symbols& scope, bool is_conditional) {
  for (const NodePtr& node : body) Resolve(*node, scope, is_conditional);
}

void ResolveScope(const Body& body, Symbols scope, HiddenNames& hidden) {
  scope.LookAt(body);
  hidden = scope.Hidden();
  Resolve(body, scope, false);
}

void ResolveProcedure(Procedure& procedure, Symbols scope, size_t position) {
  const auto& parameters = procedure.parameters;
  std::set<std::string_view> known;
  for (const std::string& parameter : parameters) {
    Spend(4);
    if (!known.insert(parameter).second) {
      throw SyntaxError("duplicate argument '" + parameter + "' in macro definition", position);
    }
    if (parameter == "caller") throw SyntaxError("a parameter 'caller' is not implemented", position);
    scope.Declare(parameter);
  }
  const auto use = [&](const char* name) {
    const bool is_parameter = std::find(parameters.begin(), parameters.end(), name) != parameters.end();
    const bool is_used = !is_parameter && LooksAt(procedure.body, name);
    if (is_used) scope.Declare(name);
    return is_used;
  };
  procedure.uses_caller = use("caller");
  procedure.uses_kwargs = use("kwargs");
  procedure.uses_varargs = use("varargs");
  for (const ExpressionPtr& value : procedure.defaults) {
    if (!value) continue;
    scope.LookAt(*value);
    CheckNames(*value, false);
  }
  ResolveScope(procedure.body, std::move(scope), procedure.hidden);
}

void ResolveLoop(For& loop, const Symbols& scope, bool is_conditional) {
  CheckNames(*loop.iterable, is_conditional);
  if (loop.test) CheckNames(*loop.test, false);
  const auto assigns = [](const NodePtr& node) { return AssignsWithin(*node, "loop"); };
  if (Assigns(loop.target, "loop") || std::any_of(loop.body.begin(), loop.body.end(), assigns)) {
    throw SyntaxError("Can't assign to special loop variable in for-loop", loop.position);
  }
  Symbols inner(&scope);
  inner.Declare("loop");
  inner.Declare(loop.target);
  ResolveScope(loop.body, std::move(inner), loop.hidden);
  ResolveScope(loop.otherwise, Symbols(&scope), loop.otherwise_hidden);
}

// Jinja2 does not look for the names that only the filters of a set statement use.
void EnsureKnown(const Node& node, const Symbols& scope) {
  Spend(1);
  const auto* used = dynamic_cast<const Name*>(&node);
  if (used != nullptr && !scope.Knows(used->name)) {
    throw SyntaxError("'" + used->name + "' is unknown to the filters of a set statement", node.position);
  }
  node.ForEachChild([&](const Node& child) { EnsureKnown(child, scope); });
}

void ResolveBlock(Block& block, const Symbols& scope, bool is_conditional) {
  for (const NamedCall& filter : block.filters) CheckName(filter, Filters(), "filter", is_conditional);
  for (const ExpressionPtr& value : block.values) CheckNames(*value, is_conditional);
  Symbols inner(&scope);
  for (const Target& target : block.assignees) inner.Store(target);
  inner.LookAt(block.body);
  for (const NamedCall& filter : block.filters) {
    filter.arguments.ForEachChild([&](const Node& child) {
      if (block.target.empty()) {
        inner.LookAt(child);
      } else {
        EnsureKnown(child, inner);
      }
    });
  }
  block.hidden = inner.Hidden();
  Resolve(block.body, inner, false);
}

void Resolve(Node& node, const Symbols& scope, bool is_conditional) {
  if (const auto* branch = dynamic_cast<const If*>(&node)) {
    for (const ExpressionPtr& test : branch->tests) CheckNames(*test, true);
    for (const Body& body : branch->bodies) Resolve(body, scope, true);
    Resolve(branch->otherwise, scope, true);
  } else if (auto* macro = dynamic_cast<Macro*>(&node)) {
    ResolveProcedure(macro->procedure, Symbols(&scope), macro->position);
  } else if (auto* call = dynamic_cast<CallBlock*>(&node)) {
    CheckNames(*call->call, is_conditional);
    ResolveProcedure(call->caller, Symbols(&scope), call->position);
  } else if (auto* block = dynamic_cast<Block*>(&node)) {
    ResolveBlock(*block, scope, is_conditional);
  } else if (auto* loop = dynamic_cast<For*>(&node)) {
    ResolveLoop(*loop, scope, is_conditional);
  } else {
    CheckNames(node, is_conditional);
  }
}

}  // namespace

void ResolveNames(Program& program) {
  Symbols root(nullptr);
  root.LookAt(program.body);
  program.hidden = root.Hidden();
  Resolve(program.body, root, false);
}

}  // namespace jinja
