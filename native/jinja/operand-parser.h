// The operands of expressions: names, constants, lists and dicts, and the attributes, items, calls, filters
// and tests that follow them.
#pragma once

#include <string>

#include "token-reader.h"

namespace jinja {

class OperandParser : public TokenReader {
 protected:
  using TokenReader::TokenReader;

  // The expressions within an operand; see ExpressionParser.
  virtual ExpressionPtr ParseExpression() = 0;
  virtual ExpressionPtr ParseParenthesized() = 0;

  ExpressionPtr ParsePrimary();
  ExpressionPtr ParsePostfix(ExpressionPtr node);
  ExpressionPtr ParseFilters(ExpressionPtr node);
  NamedCall ParseFilter();

  static bool IsConstant(const std::string& name);

 private:
  ExpressionPtr ParseTest(ExpressionPtr node);
  ExpressionPtr ParseAttribute(ExpressionPtr node);
  ExpressionPtr ParseItem(ExpressionPtr node);
  ExpressionPtr ParseNumber();
  ExpressionPtr ParseList();
  ExpressionPtr ParseDict();
  ArgumentList ParseArguments();
  bool BeginsArgument() const;
};

}  // namespace jinja
