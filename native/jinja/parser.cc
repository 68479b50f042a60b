#include "parser.h"

#include "expression-parser.h"

namespace jinja {

namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body ParseAll() {
    Body body;
    while (!Is(Token::Kind::kEnd)) ParseInto(body);
    return body;
  }

 private:
  void ParseInto(Body& body) {
    const DepthGuard guard;
    const size_t start = at();
    if (Is(Token::Kind::kComment)) {
      Next();
    } else if (Is(Token::Kind::kText)) {
      body.push_back(MakeNode<Text>(start, Next().text));
    } else if (Is(Token::Kind::kOpenExpression)) {
      Next();
      body.push_back(ParseTuple());
      Expect(Token::Kind::kCloseExpression, "}}");
    } else {
      Expect(Token::Kind::kOpenStatement, "{%");
      body.push_back(ParseStatement());
      Expect(Token::Kind::kCloseStatement, "%}");
    }
  }

  bool IsStatement(const char* name) const {
    return Is(Token::Kind::kOpenStatement) && Peek(1).kind == Token::Kind::kName && Peek(1).text == name;
  }

  // The nodes between a statement's tag and the tag that begins with one of `ends`, which is the next token
  // then.
  Body ParseBody(std::initializer_list<const char*> ends) {
    SkipOperator(":");
    Expect(Token::Kind::kCloseStatement, "%}");
    Body body;
    const auto is_end = [this](const char* end) { return IsStatement(end); };
    while (!std::any_of(ends.begin(), ends.end(), is_end)) {
      if (Is(Token::Kind::kEnd)) Fail(std::string("Expected {% ") + *ends.begin());
      ParseInto(body);
    }
    Next();
    return body;
  }

  // The same up to the tag `end`, which is consumed.
  Body ParseWholeBody(const char* end) {
    Body body = ParseBody({end});
    Next();
    return body;
  }

  NodePtr ParseStatement() {
    const size_t start = at(), position = Position();
    const std::string name = Expect(Token::Kind::kName, "a statement");
    if (name == "set") return ParseSet(start);
    if (name == "if") return ParseIf(start);
    if (name == "for") return ParseFor(start);
    if (name == "macro") {
      std::string macro_name = ParseVariable();
      return MakeNode<Macro>(start, std::move(macro_name), ParseProcedure("endmacro"));
    }
    if (name == "call") return ParseCallBlock(start);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) Fail("'" + name + "' outside of a loop");
      return MakeNode<Leave>(start, name == "break");
    }
    if (name == "filter") {
      std::vector<NamedCall> filters;
      do {
        filters.push_back(ParseFilter());
      } while (SkipOperator("|"));
      return MakeNode<Block>(start, std::move(filters), ParseWholeBody("endfilter"));
    }
    if (name == "with") return ParseWith(start);
    // Transformers uses it to mark what models are trained on.
    if (name == "generation") {
      return MakeNode<Block>(start, std::vector<NamedCall>(), ParseWholeBody("endgeneration"));
    }
    throw SyntaxError("Unknown statement: " + name, position);
  }

  NodePtr ParseSet(size_t start) {
    Target target = ParseTarget({}, true);
    if (SkipOperator("=")) return MakeNode<Set>(start, std::move(target), ParseTuple());
    std::vector<NamedCall> filters;
    while (SkipOperator("|")) filters.push_back(ParseFilter());
    auto block = MakeNode<Block>(start, std::move(filters), ParseWholeBody("endset"));
    block->target.push_back(std::move(target));
    return block;
  }

  NodePtr ParseIf(size_t start) {
    Expressions tests;
    std::vector<Body> bodies;
    std::string end = "elif";
    while (end == "elif") {
      tests.push_back(ParseTuple({}, false));
      bodies.push_back(ParseBody({"elif", "else", "endif"}));
      end = Next().text;
    }
    Body otherwise;
    if (end == "else") otherwise = ParseWholeBody("endif");
    return MakeNode<If>(start, std::move(tests), std::move(bodies), std::move(otherwise));
  }

  NodePtr ParseFor(size_t start) {
    Target target = ParseTarget({"in"}, false);
    if (!SkipName("in")) Fail("Expected in (Got " + Shortened(Peek().text) + ")");
    ExpressionPtr iterable = ParseTuple({"recursive"}, false);
    ExpressionPtr test = SkipName("if") ? ParseExpression() : nullptr;
    if (IsName("recursive")) Fail("a recursive loop is not implemented");
    loops_++;
    Body body = ParseBody({"endfor", "else"}), otherwise;
    loops_--;
    if (Next().text == "else") otherwise = ParseWholeBody("endfor");
    return MakeNode<For>(start, std::move(target), std::move(iterable), std::move(test), std::move(body),
                         std::move(otherwise));
  }

  NodePtr ParseWith(size_t start) {
    std::vector<Target> targets;
    Expressions values;
    while (!Is(Token::Kind::kCloseStatement) && !IsOperator(":")) {
      if (!targets.empty()) ExpectOperator(",");
      targets.push_back(ParseTarget({}, false));
      ExpectOperator("=");
      values.push_back(ParseExpression());
    }
    auto block = MakeNode<Block>(start, std::vector<NamedCall>(), ParseWholeBody("endwith"));
    block->assignees = std::move(targets);
    block->values = std::move(values);
    return block;
  }

  NodePtr ParseCallBlock(size_t start) {
    Procedure caller;
    if (IsOperator("(")) ParseSignature(caller);
    ExpressionPtr call = ParseExpression();
    if (dynamic_cast<Call*>(call.get()) == nullptr) Fail("expected call");
    caller.body = ParseProcedureBody("endcall");
    return MakeNode<CallBlock>(start, std::move(call), std::move(caller));
  }

  Procedure ParseProcedure(const char* end) {
    Procedure procedure;
    ParseSignature(procedure);
    procedure.body = ParseProcedureBody(end);
    return procedure;
  }

  // break and continue cannot leave the body.
  Body ParseProcedureBody(const char* end) {
    const int around = std::exchange(loops_, 0);
    Body body = ParseWholeBody(end);
    loops_ = around;
    return body;
  }

  // Names of parameters, perhaps with defaults, in parentheses.
  void ParseSignature(Procedure& procedure) {
    ExpectOperator("(");
    while (!IsOperator(")")) {
      if (!procedure.parameters.empty()) ExpectOperator(",");
      procedure.parameters.push_back(ParseVariable());
      const bool has_defaults = !procedure.defaults.empty() && procedure.defaults.back();
      procedure.defaults.push_back(SkipOperator("=") ? ParseExpression() : nullptr);
      if (has_defaults && !procedure.defaults.back()) Fail("non-default argument follows default argument");
    }
    ExpectOperator(")");
  }

  std::string ParseVariable() {
    if (!Is(Token::Kind::kName) || IsConstant(Peek().text))
      Fail("Expected a name (Got " + Shortened(Peek().text) + ")");
    return Next().text;
  }

  // Attributes of namespaces only where `with_namespace`.
  Target ParseTarget(std::initializer_list<const char*> ends, bool with_namespace) {
    const DepthGuard guard;
    Target several;
    several.form = Target::Form::kSeveral;
    bool is_tuple = false;
    do {
      if (is_tuple && IsTupleEnd(ends)) break;
      Target target;
      if (with_namespace && IsOperator(".", 1)) {
        target.form = Target::Form::kAttribute;
        target.name = ParseVariable();
        Next();
        target.attribute = Expect(Token::Kind::kName, "a name");
      } else if (SkipOperator("(")) {
        target = ParseTarget({}, false);
        ExpectOperator(")");
      } else {
        target.name = ParseVariable();
      }
      several.targets.push_back(std::move(target));
      is_tuple = is_tuple || IsOperator(",");
    } while (SkipOperator(","));
    if (is_tuple) return several;
    return Target(std::move(several.targets[0]));
  }

  int loops_ = 0;  // around, within the same macro
};

}  // namespace

Program Parse(const std::string& source) {
  Program program;
  program.source = NormalizeNewlines(source);
  const std::vector<Token> tokens = Tokenize(program.source);
  program.body = Parser(tokens).ParseAll();
  ResolveNames(program);
  return program;
}

}  // namespace jinja
