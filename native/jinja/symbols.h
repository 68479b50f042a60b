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

// The names of one scope; the nodes own their texts.
class Symbols {
 public:
  explicit Symbols(const Symbols* parent) : parent_(parent) {}

  // Whether this scope, or one around it, looks at a name or assigns it.
  bool Knows(std::string_view name) const;
  void Load(std::string_view name);
  void Store(std::string_view name);
  void Store(const Target& target);
  // A parameter, which has a value from the beginning.
  void Declare(std::string_view name);
  void Declare(const Target& target);

  // Notes what the nodes look at and assign, in order, except in scopes within them.
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
