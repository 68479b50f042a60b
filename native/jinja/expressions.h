// The expressions of templates.
#pragma once

#include "arguments.h"
#include "ast.h"

namespace jinja {

// A literal: a number, true, none. `make` makes its value.
struct Constant : Expression {
  explicit Constant(std::function<ValuePtr()> make) : make(std::move(make)) {}
  void ForEachChild(const Visitor&) const override {}
  const std::function<ValuePtr()> make;

 protected:
  ValuePtr DoEvaluate(Context&) const override { return make(); }
};

// A string, or text between tags.
struct Text : Expression {
  explicit Text(std::string text) : text(std::move(text)) {}
  void ForEachChild(const Visitor&) const override {}
  const std::string text;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
  Flow DoRender(Context& context, MixedText& out) const override;
};

struct Name : Expression {
  explicit Name(std::string name) : name(std::move(name)) {}
  void ForEachChild(const Visitor&) const override {}
  const std::string name;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

struct ListLiteral : Expression {
  ListLiteral(Expressions items, bool is_tuple) : items(std::move(items)), is_tuple(is_tuple) {}
  void ForEachChild(const Visitor& visit) const override { VisitEach(visit, items); }
  const Expressions items;
  const bool is_tuple;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

struct DictLiteral : Expression {
  DictLiteral(Expressions keys, Expressions values) : keys(std::move(keys)), values(std::move(values)) {}
  void ForEachChild(const Visitor& visit) const override {
    VisitEach(visit, keys);
    VisitEach(visit, values);
  }
  const Expressions keys, values;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// object.name
struct Attribute : Expression {
  Attribute(ExpressionPtr object, std::string name) : object(std::move(object)), name(std::move(name)) {}
  void ForEachChild(const Visitor& visit) const override { VisitAll(visit, object); }
  const ExpressionPtr object;
  const std::string name;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// object[key]
struct Item : Expression {
  Item(ExpressionPtr object, ExpressionPtr key) : object(std::move(object)), key(std::move(key)) {}
  void ForEachChild(const Visitor& visit) const override { VisitAll(visit, object, key); }
  const ExpressionPtr object, key;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// object[start:stop:step]; what is left out is null
struct SliceItem : Expression {
  SliceItem(ExpressionPtr object, ExpressionPtr start, ExpressionPtr stop, ExpressionPtr step)
      : object(std::move(object)), start(std::move(start)), stop(std::move(stop)), step(std::move(step)) {}
  void ForEachChild(const Visitor& visit) const override { VisitAll(visit, object, start, stop, step); }
  const ExpressionPtr object, start, stop, step;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// The arguments of a call: value, name=value, *values or **dict.
struct ArgumentNode {
  enum class Form { kPlace, kKeyword, kSpread, kSpreadKeywords };
  Form form;
  std::string name;
  ExpressionPtr value;
};

struct ArgumentList {
  std::vector<ArgumentNode> all;

  void ForEachChild(const Visitor& visit) const;
  void EvaluateInto(Arguments& arguments, Context& context) const;
};

struct Call : Expression {
  Call(ExpressionPtr callee, ArgumentList arguments)
      : callee(std::move(callee)), arguments(std::move(arguments)) {}
  void ForEachChild(const Visitor& visit) const override {
    VisitAll(visit, callee);
    arguments.ForEachChild(visit);
  }
  const ExpressionPtr callee;
  const ArgumentList arguments;

  // The same with one more keyword argument, unless it is null.
  ValuePtr CallWith(Context& context, const ValuePtr& keyword) const;

 protected:
  ValuePtr DoEvaluate(Context& context) const override { return CallWith(context, nullptr); }
};

// The name of a filter or test, with its arguments beside the value.
struct NamedCall {
  std::string name;
  ArgumentList arguments;
  size_t position = 0;
};

ValuePtr ApplyFilter(Context& context, const NamedCall& filter, const ValuePtr& input);

struct FilterCall : Expression {
  FilterCall(ExpressionPtr input, NamedCall filter) : input(std::move(input)), filter(std::move(filter)) {}
  void ForEachChild(const Visitor& visit) const override {
    VisitAll(visit, input);
    filter.arguments.ForEachChild(visit);
  }
  const ExpressionPtr input;
  const NamedCall filter;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

struct TestCall : Expression {
  TestCall(ExpressionPtr input, NamedCall test, bool negates)
      : input(std::move(input)), test(std::move(test)), negates(negates) {}
  void ForEachChild(const Visitor& visit) const override {
    VisitAll(visit, input);
    test.arguments.ForEachChild(visit);
  }
  const ExpressionPtr input;
  const NamedCall test;
  const bool negates;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// not, - and +
struct Unary : Expression {
  Unary(std::string op, ExpressionPtr operand) : op(std::move(op)), operand(std::move(operand)) {}
  void ForEachChild(const Visitor& visit) const override { VisitAll(visit, operand); }
  const std::string op;
  const ExpressionPtr operand;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// Operands with operators of one precedence between them, from left to right: and, or, and arithmetic. One
// node, since such rows may be long.
struct Row : Expression {
  struct Operator {
    std::string op;
    size_t position;
    // Jinja2 writes what is constant into Python's text, where -1 ** x is -(1 ** x).
    bool may_negate_power = false;
  };
  Row(Expressions operands, std::vector<Operator> operators)
      : operands(std::move(operands)), operators(std::move(operators)) {}
  void ForEachChild(const Visitor& visit) const override { VisitEach(visit, operands); }
  const Expressions operands;
  const std::vector<Operator> operators;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// Comparisons in a row, as in a < b <= c: each must hold.
struct ComparisonChain : Expression {
  ComparisonChain(Expressions operands, std::vector<std::string> ops)
      : operands(std::move(operands)), ops(std::move(ops)) {}
  void ForEachChild(const Visitor& visit) const override { VisitEach(visit, operands); }
  const Expressions operands;
  const std::vector<std::string> ops;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

// one if test else other; `other` may be null
struct Conditional : Expression {
  Conditional(ExpressionPtr test, ExpressionPtr one, ExpressionPtr other)
      : test(std::move(test)), one(std::move(one)), other(std::move(other)) {}
  void ForEachChild(const Visitor& visit) const override { VisitAll(visit, test, one, other); }
  const ExpressionPtr test, one, other;

 protected:
  ValuePtr DoEvaluate(Context& context) const override;
};

}  // namespace jinja
