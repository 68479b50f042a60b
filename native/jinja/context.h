// What a template runs in: its variables, and what lasts as long as it runs.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "hash.h"
#include "value.h"

namespace jinja {

// The variables of one scope; other names are looked up in the scope around it.
struct Scope {
  void Set(const std::string& name, const ValuePtr& value);

  std::unordered_map<std::string, ValuePtr, TextHash> variables;
  std::shared_ptr<Scope> around;
  Holding holding;
};

// Names that a scope assigns itself, and that have no value before it does so, although a scope around it may
// have one.
using HiddenNames = std::vector<std::string>;

class Context {
 public:
  // The outermost context.
  Context();
  // With a scope within that of `parent`, or within `around`.
  Context(const Context& parent, const HiddenNames& hidden) : Context(parent, parent.scope_, hidden) {}
  Context(const Context& parent, std::shared_ptr<Scope> around, const HiddenNames& hidden);
  ~Context();
  Context& operator=(const Context&) = delete;

  // Null if there is no such variable.
  ValuePtr Find(const std::string& name) const;
  ValuePtr Get(const std::string& name) const;
  void Set(const std::string& name, const ValuePtr& value) { scope_->Set(name, value); }

  // Keeps a value that templates change, and so can make part of itself, until the outermost context ends.
  void Keep(const ValuePtr& value);

  Context& outermost() const { return *outermost_; }
  const std::shared_ptr<Scope>& scope() const { return scope_; }
  bool collects_stats() const { return collects_stats_; }
  void collect_stats() { collects_stats_ = true; }
  std::time_t time() const { return time_; }
  void set_time(std::time_t time) { time_ = time; }

 private:
  Context* const outermost_;
  std::shared_ptr<Scope> scope_;
  bool collects_stats_ = false;
  std::time_t time_;
  std::vector<ValuePtr> kept_;
};

}  // namespace jinja
