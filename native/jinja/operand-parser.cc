#include "operand-parser.h"

#include "numbers.h"

namespace jinja {

ExpressionPtr OperandParser::ParsePostfix(ExpressionPtr node) {
  while (true) {
    const size_t start = at();
    if (IsOperator(".")) {
      node = ParseAttribute(std::move(node));
    } else if (IsOperator("[")) {
      node = ParseItem(std::move(node));
    } else if (IsOperator("(")) {
      node = MakeNode<Call>(start, std::move(node), ParseArguments());
    } else {
      return node;
    }
  }
}

ExpressionPtr OperandParser::ParseFilters(ExpressionPtr node) {
  while (true) {
    const size_t start = at();
    if (SkipOperator("|")) {
      node = MakeNode<FilterCall>(start, std::move(node), ParseFilter());
    } else if (SkipName("is")) {
      node = ParseTest(std::move(node));
    } else if (IsOperator("(")) {
      node = MakeNode<Call>(start, std::move(node), ParseArguments());
    } else {
      return node;
    }
  }
}

NamedCall OperandParser::ParseFilter() {
  const size_t position = Position();
  std::string name = Expect(Token::Kind::kName, "a filter's name");
  return {std::move(name), IsOperator("(") ? ParseArguments() : ArgumentList(), position};
}

ExpressionPtr OperandParser::ParseTest(ExpressionPtr node) {
  const size_t start = at() - 1, position = Position();
  const bool negates = SkipName("not");
  NamedCall test{Expect(Token::Kind::kName, "a test's name"), {}, position};
  if (IsOperator("(")) {
    test.arguments = ParseArguments();
  } else if (BeginsArgument()) {
    if (IsName("is")) Fail("You cannot chain multiple tests with is");
    test.arguments.all.push_back({ArgumentNode::Form::kPlace, "", ParsePostfix(ParsePrimary())});
  }
  return MakeNode<TestCall>(start, std::move(node), std::move(test), negates);
}

// As in `x is divisibleby 3`.
bool OperandParser::BeginsArgument() const {
  if (Is(Token::Kind::kName)) return !IsName("else") && !IsName("or") && !IsName("and");
  return Is(Token::Kind::kString) || Is(Token::Kind::kNumber) || IsOneOf({"(", "[", "{"});
}

ExpressionPtr OperandParser::ParseAttribute(ExpressionPtr node) {
  const size_t start = at();
  ExpectOperator(".");
  if (Is(Token::Kind::kName)) {
    std::string name = Next().text;
    return MakeNode<Attribute>(start, std::move(node), std::move(name));
  }
  const bool is_index = Is(Token::Kind::kNumber) && Peek().text.find_first_of(".eE") == std::string::npos;
  if (!is_index) Fail("expected name or number");
  ExpressionPtr key = ParseNumber();
  return MakeNode<Item>(start, std::move(node), std::move(key));
}

ExpressionPtr OperandParser::ParseItem(ExpressionPtr node) {
  const size_t start = at();
  ExpectOperator("[");
  Expressions keys;
  ExpressionPtr bounds[3];
  bool is_slice = false;
  while (!IsOperator("]")) {
    if (is_slice || !keys.empty()) ExpectOperator(",");
    if (is_slice) Fail("several slices are not implemented");
    if (!IsOperator(":")) bounds[0] = ParseExpression();
    for (size_t i = 1; i < 3 && SkipOperator(":"); i++) {
      is_slice = true;
      if (!IsOneOf({":", "]", ","})) bounds[i] = ParseExpression();
    }
    if (is_slice && !keys.empty()) Fail("several slices are not implemented");
    if (!is_slice) keys.push_back(std::move(bounds[0]));
  }
  ExpectOperator("]");
  if (is_slice) {
    return MakeNode<SliceItem>(start, std::move(node), std::move(bounds[0]), std::move(bounds[1]),
                               std::move(bounds[2]));
  }
  ExpressionPtr key =
      keys.size() == 1 ? std::move(keys[0]) : MakeNode<ListLiteral>(start, std::move(keys), true);
  return MakeNode<Item>(start, std::move(node), std::move(key));
}

ArgumentList OperandParser::ParseArguments() {
  using Form = ArgumentNode::Form;
  ArgumentList arguments;
  ExpectOperator("(");
  const auto has = [&](Form form) {
    return std::any_of(arguments.all.begin(), arguments.all.end(),
                       [form](const ArgumentNode& argument) { return argument.form == form; });
  };
  const auto ensure = [this](bool valid) {
    if (!valid) Fail("invalid syntax for function call expression");
  };
  while (!IsOperator(")")) {
    if (!arguments.all.empty()) {
      ExpectOperator(",");
      if (IsOperator(")")) break;
    }
    Spend(arguments.all.size() / 16);
    ensure(!has(Form::kSpreadKeywords));
    ArgumentNode argument{Form::kPlace, "", nullptr};
    if (SkipOperator("*")) {
      ensure(!has(Form::kSpread));
      argument.form = Form::kSpread;
    } else if (SkipOperator("**")) {
      argument.form = Form::kSpreadKeywords;
    } else if (Is(Token::Kind::kName) && IsOperator("=", 1)) {
      argument.form = Form::kKeyword;
      argument.name = Next().text;
      Next();
    } else {
      ensure(!has(Form::kKeyword) && !has(Form::kSpread));
    }
    argument.value = ParseExpression();
    arguments.all.push_back(std::move(argument));
  }
  ExpectOperator(")");
  return arguments;
}

bool OperandParser::IsConstant(const std::string& name) {
  for (const char* constant : {"true", "True", "false", "False", "none", "None"}) {
    if (name == constant) return true;
  }
  return false;
}

ExpressionPtr OperandParser::ParsePrimary() {
  const size_t start = at();
  if (Is(Token::Kind::kNumber)) return ParseNumber();
  if (IsOperator("[")) return ParseList();
  if (IsOperator("{")) return ParseDict();
  if (SkipOperator("(")) {
    ExpressionPtr node = ParseParenthesized();
    ExpectOperator(")");
    return node;
  }
  if (Is(Token::Kind::kString)) {
    std::string text;
    while (Is(Token::Kind::kString)) text += Next().text;
    return MakeNode<Text>(start, std::move(text));
  }
  if (!Is(Token::Kind::kName)) Fail("unexpected " + Shortened(Peek().text));
  std::string name = Next().text;
  if (!IsConstant(name)) return MakeNode<Name>(start, std::move(name));
  if (name == "none" || name == "None") {
    return MakeNode<Constant>(start, [] { return Make<NoneValue>(); });
  }
  return MakeNode<Constant>(start,
                            [truth = name == "true" || name == "True"] { return Make<BoolValue>(truth); });
}

ExpressionPtr OperandParser::ParseNumber() {
  const size_t start = at();
  const std::string text = Next().text;
  if (text.find_first_of(".eE") != std::string::npos) {
    double number = 0;
    if (!ReadPlainFloat(text, number)) throw SyntaxError("this number is not implemented", Position());
    return MakeNode<Constant>(start, [number] { return Make<FloatValue>(number); });
  }
  int64_t number = 0;
  if (!ReadInteger(text, 10, number)) throw SyntaxError("this number is not implemented", Position());
  return MakeNode<Constant>(start, [number] { return Make<IntValue>(number); });
}

ExpressionPtr OperandParser::ParseList() {
  const size_t start = at();
  ExpectOperator("[");
  Expressions items;
  while (!IsOperator("]")) {
    if (!items.empty()) {
      ExpectOperator(",");
      if (IsOperator("]")) break;
    }
    items.push_back(ParseExpression());
  }
  ExpectOperator("]");
  return MakeNode<ListLiteral>(start, std::move(items), false);
}

ExpressionPtr OperandParser::ParseDict() {
  const size_t start = at();
  ExpectOperator("{");
  Expressions keys, values;
  while (!IsOperator("}")) {
    if (!keys.empty()) {
      ExpectOperator(",");
      if (IsOperator("}")) break;
    }
    keys.push_back(ParseExpression());
    ExpectOperator(":");
    values.push_back(ParseExpression());
  }
  ExpectOperator("}");
  return MakeNode<DictLiteral>(start, std::move(keys), std::move(values));
}

}  // namespace jinja
