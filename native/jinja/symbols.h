// Which variable a name is, as Jinja2 decides it before a template runs (its idtracking.py): a scope that
// assigns a name has a variable of its own from its beginning, which is undefined until then, unless the
// scope looks at the name before, or assigns it only on some branch: then it begins with the value that the
// name has around it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "statements.h"

namespace jinja {

// The names of one scope.
class Symbols {
 public:
  explicit Symbols(const Symbols* parent) : parent_(parent) {}

  void Load(const std::string& name);
  void Store(const std::string& name);
  void Store(const Target& target);
  // As a parameter, which has a value from the beginning.
  void Declare(const std::string& name);
  void Declare(const Target& target);

  // What it looks at and assigns, in the order in which it does, but not what scopes within it do.
  void LookAt(const Node& node);
  void LookAt(const Body& body);

  HiddenNames Hidden() const;

 private:
  enum class Origin { kAround, kUndefined, kParameter };

  bool Knows(const std::string& name) const;
  void LookAtBranches(const If& first);
  // What is assigned on some branch may not be assigned at all.
  void Join(const std::vector<Symbols>& branches);

  const Symbols* parent_;
  std::map<std::string, Origin> names_;
  std::set<std::string> stored_;
};

}  // namespace jinja
