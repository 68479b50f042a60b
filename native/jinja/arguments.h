// The arguments of a function, method, filter or test.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "values.h"

namespace jinja {

class Context;

using Functions = std::map<std::string, Function>;

class Arguments {
 public:
  // `context` is the outermost context, which lasts as long as any value.
  Arguments(Context& context, std::string name) : context(context), name(std::move(name)) {}

  void Add(const ValuePtr& value) {
    constexpr size_t kAtOnce = 64;
    all.push_back(value);
    if (all.size() % kAtOnce == 0) holding_.Add(kAtOnce * sizeof(ValuePtr));
  }

  // The arguments in the order of `names`, null where they are left out; the first `required` must not be
  // left out. Names before "/" are not keywords; without a "/" all names are.
  std::vector<ValuePtr> Bind(const std::vector<std::string>& names, size_t required = 1) const;

  Context& context;
  const std::string name;
  std::vector<ValuePtr> all;  // keyword arguments among them

 private:
  Holding holding_;
};

inline bool IsGiven(const ValuePtr& value) {
  return value && !value->IsNone();
}

inline bool IsTrue(const ValuePtr& value) {
  return value && value->IsTrue();
}

// A function that throws that it is not implemented.
ValuePtr RefuseToCall(const Arguments& arguments);

}  // namespace jinja
