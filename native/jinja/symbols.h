// Which variable a name is, as Jinja2 decides it before a template runs (its idtracking.py): a scope that
// assigns a name has a variable of its own from its beginning, which is undefined until then, unless the
// scope looks at the name before, or assigns it only on some branch: then it begins with the value that the
// name has around it.
#pragma once

#include <map>
#include <set>
#include <string_view>

#include "statements.h"

namespace jinja {

// The names of one scope, which are those that the nodes hold.
class Symbols {
 public:
  explicit Symbols(const Symbols* parent) : parent_(parent) {}

  // Whether it, or a scope around, looks at a name or assigns it.
  bool Knows(std::string_view name) const;
  void Load(std::string_view name);
  void Store(std::string_view name);
  void Store(const Target& target);
  // As a parameter, which has a value from the beginning.
  void Declare(std::string_view name);
  void Declare(const Target& target);

  // What it looks at and assigns, in the order in which it does, but not what scopes within it do.
  void LookAt(const Node& node);
  void LookAt(const Body& body);

  HiddenNames Hidden() const;

 private:
  enum class Origin { kAround, kUndefined, kParameter };

  void LookAtBranches(const If& all);
  void Add(const Symbols& branch);

  const Symbols* parent_;
  std::map<std::string_view, Origin> names_;
  std::set<std::string_view> stored_;
};

}  // namespace jinja
