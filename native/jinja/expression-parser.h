// Expressions, with Jinja2's precedence.
#pragma once

#include "operand-parser.h"

namespace jinja {

class ExpressionParser : public OperandParser {
 protected:
  using OperandParser::OperandParser;

  ExpressionPtr ParseExpression() override;
  // One expression, or several separated by commas, up to the end of the tag or one of the words `ends`.
  ExpressionPtr ParseTuple(std::initializer_list<const char*> ends = {}, bool with_condition = true,
                           bool in_parentheses = false);
  bool IsTupleEnd(std::initializer_list<const char*> ends) const;

 private:
  ExpressionPtr ParseParenthesized() override;
  ExpressionPtr ParseOr();
  ExpressionPtr ParseAnd();
  ExpressionPtr ParseNot();
  ExpressionPtr ParseComparison();
  ExpressionPtr ParseSum();
  ExpressionPtr ParseConcatenation();
  ExpressionPtr ParseProduct();
  ExpressionPtr ParsePower();
  ExpressionPtr ParseUnary(bool with_filters);

  // Operators of one precedence, from left to right.
  template <typename IsNext, typename ParseOperand>
  ExpressionPtr ParseOperators(IsNext is_next, ParseOperand parse);
  template <typename ParseOperand>
  ExpressionPtr ParseOperators(std::initializer_list<const char*> ops, ParseOperand parse);
};

}  // namespace jinja
