// The statements of templates. names.cc finds the hidden names of each scope.
#pragma once

#include "expressions.h"

namespace jinja {

// What a statement assigns to: a name, several targets for what can be unpacked, or a namespace's attribute.
struct Target {
  enum class Form { kName, kSeveral, kAttribute };
  Form form = Form::kName;
  std::string name, attribute;
  std::vector<Target> targets;
};

void Assign(Context& context, const Target& target, const ValuePtr& value);

struct If : Node {
  // A test and a body for if and for each elif.
  If(Expressions tests, std::vector<Body> bodies, Body otherwise)
      : tests(std::move(tests)), bodies(std::move(bodies)), otherwise(std::move(otherwise)) {}
  void ForEachChild(const Visitor& visit) const override {
    for (size_t i = 0; i < tests.size(); i++) {
      VisitAll(visit, tests[i]);
      VisitEach(visit, bodies[i]);
    }
    VisitEach(visit, otherwise);
  }
  const Expressions tests;
  const std::vector<Body> bodies;
  const Body otherwise;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;
};

struct For : Node {
  For(Target target, ExpressionPtr iterable, ExpressionPtr test, Body body, Body otherwise)
      : target(std::move(target)),
        iterable(std::move(iterable)),
        test(std::move(test)),
        body(std::move(body)),
        otherwise(std::move(otherwise)) {}
  void ForEachChild(const Visitor& visit) const override {
    VisitAll(visit, iterable, test);
    VisitEach(visit, body);
    VisitEach(visit, otherwise);
  }
  const Target target;
  const ExpressionPtr iterable, test;  // which items to take; may be null
  const Body body, otherwise;          // the latter if no item's turn came to its end
  HiddenNames hidden, otherwise_hidden;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;

 private:
  ValuePtr MakeLoop(Context& context, const ValuePtr& all) const;
};

// break and continue
struct Leave : Node {
  explicit Leave(bool ends) : ends(ends) {}
  void ForEachChild(const Visitor&) const override {}
  const bool ends;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;
};

struct Set : Node {
  Set(Target target, ExpressionPtr value) : target(std::move(target)), value(std::move(value)) {}
  void ForEachChild(const Visitor& visit) const override { VisitAll(visit, value); }
  const Target target;
  const ExpressionPtr value;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;
};

// A part of the template with variables of its own, whose text goes through filters and is written or
// assigned.
struct Block : Node {
  Block(std::vector<NamedCall> filters, Body body) : filters(std::move(filters)), body(std::move(body)) {}
  void ForEachChild(const Visitor& visit) const override;
  const std::vector<NamedCall> filters;
  const Body body;
  std::vector<Target> assignees;  // of with statements
  Expressions values;
  std::vector<Target> target;  // none, or what the text is assigned to
  HiddenNames hidden;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;
};

// A macro, or the body of a call statement, as a function.
struct Procedure {
  std::vector<std::string> parameters;
  Expressions defaults;  // null where there is none
  Body body;
  // Whether the body uses variables that only some calls have.
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
  HiddenNames hidden;

  void ForEachChild(const Visitor& visit) const;
  // A function that sees the variables around it.
  ValuePtr MakeFunction(const std::string& name, const Context& context) const;
  void Bind(const std::string& name, const Arguments& arguments, Context& context) const;
};

struct Macro : Node {
  Macro(std::string name, Procedure procedure) : name(std::move(name)), procedure(std::move(procedure)) {}
  void ForEachChild(const Visitor& visit) const override { procedure.ForEachChild(visit); }
  const std::string name;
  Procedure procedure;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;
};

struct CallBlock : Node {
  CallBlock(ExpressionPtr call, Procedure caller) : call(std::move(call)), caller(std::move(caller)) {}
  void ForEachChild(const Visitor& visit) const override {
    VisitAll(visit, call);
    caller.ForEachChild(visit);
  }
  const ExpressionPtr call;  // a Call
  Procedure caller;

 protected:
  Flow DoRender(Context& context, MixedText& out) const override;
};

}  // namespace jinja
