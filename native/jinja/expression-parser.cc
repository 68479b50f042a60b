#include "expression-parser.h"

namespace jinja {

namespace {

// Whether its value does not depend on variables.
bool IsConstantNode(const Node& node) {
  if (dynamic_cast<const Name*>(&node) != nullptr) return false;
  bool is_constant = true;
  node.ForEachChild([&](const Node& child) { is_constant = is_constant && IsConstantNode(child); });
  return is_constant;
}

}  // namespace

ExpressionPtr ExpressionParser::ParseExpression() {
  const DepthGuard guard;
  ExpressionPtr node = ParseOr();
  while (IsName("if")) {
    const size_t start = at();
    Next();
    ExpressionPtr test = ParseOr();
    ExpressionPtr other = SkipName("else") ? ParseExpression() : nullptr;
    node = MakeNode<Conditional>(start, std::move(test), std::move(node), std::move(other));
  }
  return node;
}

bool ExpressionParser::IsTupleEnd(std::initializer_list<const char*> ends) const {
  return Is(Token::Kind::kCloseExpression) || Is(Token::Kind::kCloseStatement) || IsOperator(")") ||
         std::any_of(ends.begin(), ends.end(), [this](const char* end) { return IsName(end); });
}

ExpressionPtr ExpressionParser::ParseTuple(std::initializer_list<const char*> ends, bool with_condition,
                                           bool in_parentheses) {
  const size_t start = at();
  Expressions items;
  bool is_tuple = false;
  do {
    if (IsTupleEnd(ends)) break;
    items.push_back(with_condition ? ParseExpression() : ParseOr());
    is_tuple = is_tuple || IsOperator(",");
  } while (SkipOperator(","));
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !in_parentheses) Fail("Expected an expression (Got " + Shortened(Peek().text) + ")");
  return MakeNode<ListLiteral>(start, std::move(items), true);
}

ExpressionPtr ExpressionParser::ParseParenthesized() {
  return ParseTuple({}, true, true);
}

template <typename IsNext, typename ParseOperand>
ExpressionPtr ExpressionParser::ParseOperators(IsNext is_next, ParseOperand parse) {
  const size_t start = at();
  Expressions operands;
  std::vector<Row::Operator> operators;
  bool is_constant = true;
  operands.push_back(parse());
  while (is_next()) {
    const size_t position = Position();
    const std::string op = Next().text;
    if (op == "**") is_constant = is_constant && IsConstantNode(*operands.back());
    operands.push_back(parse());
    operators.push_back({op, position, op == "**" && is_constant && !IsConstantNode(*operands.back())});
  }
  if (operators.empty()) return std::move(operands[0]);
  return MakeNode<Row>(start, std::move(operands), std::move(operators));
}

template <typename ParseOperand>
ExpressionPtr ExpressionParser::ParseOperators(std::initializer_list<const char*> ops, ParseOperand parse) {
  return ParseOperators([this, ops] { return IsOneOf(ops); }, parse);
}

ExpressionPtr ExpressionParser::ParseOr() {
  return ParseOperators([this] { return IsName("or"); }, [this] { return ParseAnd(); });
}

ExpressionPtr ExpressionParser::ParseAnd() {
  return ParseOperators([this] { return IsName("and"); }, [this] { return ParseNot(); });
}

ExpressionPtr ExpressionParser::ParseNot() {
  const DepthGuard guard;
  const size_t start = at();
  if (!SkipName("not")) return ParseComparison();
  return MakeNode<Unary>(start, "not", ParseNot());
}

ExpressionPtr ExpressionParser::ParseComparison() {
  const size_t start = at();
  Expressions operands;
  operands.push_back(ParseSum());
  std::vector<std::string> ops;
  while (true) {
    if (IsName("not") && Peek(1).kind == Token::Kind::kName && Peek(1).text == "in") {
      Next();
      Next();
      ops.push_back("not in");
    } else if (IsName("in") || IsOneOf({"<", ">", "<=", ">=", "==", "!="})) {
      ops.push_back(Next().text);
    } else {
      break;
    }
    operands.push_back(ParseSum());
  }
  if (ops.empty()) return std::move(operands[0]);
  return MakeNode<ComparisonChain>(start, std::move(operands), std::move(ops));
}

ExpressionPtr ExpressionParser::ParseSum() {
  return ParseOperators({"+", "-"}, [this] { return ParseConcatenation(); });
}

ExpressionPtr ExpressionParser::ParseConcatenation() {
  return ParseOperators({"~"}, [this] { return ParseProduct(); });
}

ExpressionPtr ExpressionParser::ParseProduct() {
  return ParseOperators({"*", "/", "//", "%"}, [this] { return ParsePower(); });
}

ExpressionPtr ExpressionParser::ParsePower() {
  return ParseOperators({"**"}, [this] { return ParseUnary(true); });
}

// Filters and tests bind weaker: -n|abs is (-n)|abs.
ExpressionPtr ExpressionParser::ParseUnary(bool with_filters) {
  const DepthGuard guard;
  const size_t start = at();
  ExpressionPtr node;
  if (IsOneOf({"-", "+"})) {
    const std::string op = Next().text;
    node = MakeNode<Unary>(start, op, ParseUnary(false));
  } else {
    node = ParsePrimary();
  }
  node = ParsePostfix(std::move(node));
  return with_filters ? ParseFilters(std::move(node)) : std::move(node);
}

}  // namespace jinja
