#include "symbols.h"

namespace jinja {

bool Symbols::Knows(std::string_view name) const {
  Spend(2);
  return names_.count(name) > 0 || (parent_ != nullptr && parent_->Knows(name));
}

void Symbols::Load(std::string_view name) {
  if (!Knows(name)) names_[name] = Origin::kAround;
}

void Symbols::Store(std::string_view name) {
  stored_.insert(name);
  if (names_.count(name) > 0) return;
  const bool is_around = parent_ != nullptr && parent_->Knows(name);
  names_[name] = is_around ? Origin::kAround : Origin::kUndefined;
}

void Symbols::Store(const Target& target) {
  if (target.form == Target::Form::kName) Store(target.name);
  if (target.form == Target::Form::kAttribute) Load(target.name);
  for (const Target& one : target.targets) Store(one);
}

void Symbols::Declare(std::string_view name) {
  stored_.insert(name);
  names_[name] = Origin::kParameter;
}

void Symbols::Declare(const Target& target) {
  if (target.form == Target::Form::kName) Declare(target.name);
  for (const Target& one : target.targets) Declare(one);
}

void Symbols::LookAt(const Body& body) {
  for (const NodePtr& node : body) LookAt(*node);
}

void Symbols::LookAt(const Node& node) {
  Spend(1);
  const auto look = [this](const Node& child) { LookAt(child); };
  if (const auto* name = dynamic_cast<const Name*>(&node)) {
    Load(name->name);
  } else if (const auto* branch = dynamic_cast<const If*>(&node)) {
    LookAtBranches(*branch);
  } else if (const auto* macro = dynamic_cast<const Macro*>(&node)) {
    Store(macro->name);
  } else if (const auto* set = dynamic_cast<const Set*>(&node)) {
    LookAt(*set->value);
    Store(set->target);
  } else if (const auto* loop = dynamic_cast<const For*>(&node)) {
    LookAt(*loop->iterable);
  } else if (const auto* call = dynamic_cast<const CallBlock*>(&node)) {
    LookAt(*call->call);
  } else if (const auto* block = dynamic_cast<const Block*>(&node)) {
    VisitEach(look, block->values);
    // The filters of a set statement are passed over: Jinja2 does not look at them here.
    for (const Target& target : block->target) Store(target);
    if (!block->target.empty()) return;
    for (const NamedCall& filter : block->filters) filter.arguments.ForEachChild(look);
  } else {
    node.ForEachChild(look);
  }
}

void Symbols::LookAtBranches(const If& all) {
  LookAt(*all.tests[0]);
  const Symbols before = *this;
  const auto look_at_branch = [&](const Node* test, const Body& body) {
    Spend(16 * (before.names_.size() + before.stored_.size()));
    Symbols branch = before;
    if (test != nullptr) branch.LookAt(*test);
    branch.LookAt(body);
    Add(branch);
  };
  // A chain of elif is one statement with many branches.
  for (size_t i = 0; i < all.tests.size(); i++)
    look_at_branch(i > 0 ? all.tests[i].get() : nullptr, all.bodies[i]);
  look_at_branch(nullptr, all.otherwise);
  // What is assigned on some branch may not be assigned at all.
  for (const std::string_view name : stored_) {
    if (before.stored_.count(name) == 0) names_[name] = Origin::kAround;
  }
}

void Symbols::Add(const Symbols& branch) {
  for (const auto& [name, origin] : branch.names_) names_[name] = origin;
  stored_.insert(branch.stored_.begin(), branch.stored_.end());
}

HiddenNames Symbols::Hidden() const {
  HiddenNames hidden;
  for (const auto& [name, origin] : names_) {
    if (origin == Origin::kUndefined) hidden.emplace_back(name);
  }
  return hidden;
}

}  // namespace jinja
