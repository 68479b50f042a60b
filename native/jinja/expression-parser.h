// Expressions, with Jinja2's precedence.
#pragma once

#include "token-reader.h"

namespace jinja {

class ExpressionParser : public TokenReader {
 protected:
  using TokenReader::TokenReader;

  ExpressionPtr ParseExpression();
  // One expression, or several separated by commas, up to the end of the tag or one of the words `ends`.
  ExpressionPtr ParseTuple(std::initializer_list<const char*> ends = {}, bool with_condition = true,
                           bool in_parentheses = false);
  bool IsTupleEnd(std::initializer_list<const char*> ends) const;
  NamedCall ParseFilter();

  static bool IsConstant(const std::string& name);

 private:
  ExpressionPtr ParseOr();
  ExpressionPtr ParseAnd();
  ExpressionPtr ParseNot();
  ExpressionPtr ParseComparison();
  ExpressionPtr ParseSum();
  ExpressionPtr ParseConcatenation();
  ExpressionPtr ParseProduct();
  ExpressionPtr ParsePower();
  ExpressionPtr ParseUnary(bool with_filters);
  ExpressionPtr ParsePostfix(ExpressionPtr node);
  ExpressionPtr ParseFilters(ExpressionPtr node);
  ExpressionPtr ParseTest(ExpressionPtr node);
  ExpressionPtr ParseAttribute(ExpressionPtr node);
  ExpressionPtr ParseItem(ExpressionPtr node);
  ExpressionPtr ParsePrimary();
  ExpressionPtr ParseNumber();
  ExpressionPtr ParseList();
  ExpressionPtr ParseDict();
  ArgumentList ParseArguments();
  bool BeginsArgument() const;

  // Operators of one precedence, from left to right.
  template <typename IsNext, typename ParseOperand>
  ExpressionPtr ParseOperators(IsNext is_next, ParseOperand parse);
  template <typename ParseOperand>
  ExpressionPtr ParseOperators(std::initializer_list<const char*> ops, ParseOperand parse);
};

}  // namespace jinja
