#include "symbols.h"

namespace jinja {

bool Symbols::Knows(const std::string& name) const {
  return names_.count(name) > 0 || (parent_ != nullptr && parent_->Knows(name));
}

void Symbols::Load(const std::string& name) {
  if (!Knows(name)) names_[name] = Origin::kAround;
}

void Symbols::Store(const std::string& name) {
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

void Symbols::Declare(const std::string& name) {
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
    // What a set statement assigns is none of its filters' business.
    for (const Target& target : block->target) Store(target);
    if (!block->target.empty()) return;
    for (const NamedCall& filter : block->filters) filter.arguments.ForEachChild(look);
  } else {
    node.ForEachChild(look);
  }
}

void Symbols::LookAtBranches(const If& first) {
  LookAt(*first.test);
  std::vector<Symbols> branches;
  const auto begin_branch = [&]() -> Symbols& {
    Spend(16 * (names_.size() + stored_.size()));
    branches.push_back(*this);
    return branches.back();
  };
  // A chain of elif is one statement with many branches.
  for (const If* at = &first; at != nullptr;) {
    Symbols& branch = begin_branch();
    if (at != &first) branch.LookAt(*at->test);
    branch.LookAt(at->body);
    const If* next = at->has_elif ? static_cast<const If*>(at->otherwise[0].get()) : nullptr;
    if (next == nullptr) begin_branch().LookAt(at->otherwise);
    at = next;
  }
  Join(branches);
}

void Symbols::Join(const std::vector<Symbols>& branches) {
  const std::set<std::string> before = stored_;
  for (const Symbols& branch : branches) {
    for (const auto& [name, origin] : branch.names_) names_[name] = origin;
    stored_.insert(branch.stored_.begin(), branch.stored_.end());
  }
  for (const std::string& name : stored_) {
    if (before.count(name) == 0) names_[name] = Origin::kAround;
  }
}

HiddenNames Symbols::Hidden() const {
  HiddenNames hidden;
  for (const auto& [name, origin] : names_) {
    if (origin == Origin::kUndefined) hidden.push_back(name);
  }
  return hidden;
}

}  // namespace jinja
