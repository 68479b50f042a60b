#include "context.h"

#include <utility>

#include "values.h"

namespace jinja {

namespace {

ValuePtr Undefined(const std::string& name) {
  return Make<UndefinedValue>("'" + Shortened(name) + "' is undefined");
}

}  // namespace

void Scope::Set(const std::string& name, const ValuePtr& value) {
  // Few variables count nothing: most scopes have few, and are made for each item of a loop.
  constexpr size_t kAtOnce = 8, kBytes = 256;
  if (name.size() >= 32) Spend(name.size() / 32);
  const bool is_new = variables.insert_or_assign(name, value).second;
  if (is_new && variables.size() % kAtOnce == 0) holding.Add(kAtOnce * kBytes);
}

Context::Context() : outermost_(this), scope_(std::make_shared<Scope>()), time_(std::time(nullptr)) {
}

Context::Context(const Context& parent, std::shared_ptr<Scope> around, const HiddenNames& hidden)
    : outermost_(parent.outermost_),
      scope_(std::make_shared<Scope>()),
      collects_stats_(parent.collects_stats_),
      time_(parent.time_) {
  Spend(4);
  scope_->around = std::move(around);
  for (const std::string& name : hidden) Set(name, Undefined(name));
}

// Kept values may hold other kept values: all are emptied before any is destroyed.
Context::~Context() {
  std::vector<ValuePtr> parts;
  for (const ValuePtr& value : kept_) value->TakeParts(parts);
}

ValuePtr Context::Find(const std::string& name) const {
  constexpr size_t kAtOnce = 4;
  size_t passed = 0;
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->around.get()) {
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return found->second;
    if (++passed % kAtOnce == 0) Spend(kAtOnce * (1 + name.size() / 32));
  }
  return nullptr;
}

ValuePtr Context::Get(const std::string& name) const {
  const ValuePtr found = Find(name);
  return found ? found : Undefined(name);
}

void Context::Keep(const ValuePtr& value) {
  if (value->is_kept) return;
  Spend(1);
  value->is_kept = true;
  kept_.push_back(value);
}

}  // namespace jinja
