// What the parts of the parser do with tokens, and how they make nodes.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "lexer.h"
#include "limits.h"
#include "statements.h"

namespace jinja {

class TokenReader {
 public:
  explicit TokenReader(const std::vector<Token>& tokens) : tokens_(tokens) {}

 protected:
  const Token& Peek(size_t offset = 0) const {
    static const Token end{Token::Kind::kEnd, "the end of the template", 0};
    return at_ + offset < tokens_.size() ? tokens_[at_ + offset] : end;
  }

  const Token& Next() {
    if (at_ >= tokens_.size()) Fail("Unexpected end of the template");
    return tokens_[at_++];
  }

  size_t Position() const {
    if (tokens_.empty()) return 0;
    return tokens_[std::min(at_, tokens_.size() - 1)].position;
  }

  [[noreturn]] void Fail(const std::string& what) const { throw SyntaxError(what, Position()); }

  bool Is(Token::Kind kind) const { return Peek().kind == kind; }
  bool IsName(const char* name) const { return Is(Token::Kind::kName) && Peek().text == name; }
  bool IsOperator(const char* op, size_t offset = 0) const {
    return Peek(offset).kind == Token::Kind::kOperator && Peek(offset).text == op;
  }
  bool IsOneOf(std::initializer_list<const char*> ops) const {
    return std::any_of(ops.begin(), ops.end(), [this](const char* op) { return IsOperator(op); });
  }

  bool Skip(bool is_there) {
    if (is_there) at_++;
    return is_there;
  }
  bool SkipOperator(const char* op) { return Skip(IsOperator(op)); }
  bool SkipName(const char* name) { return Skip(IsName(name)); }

  std::string Expect(Token::Kind kind, const char* what) {
    if (!Is(kind)) Fail(std::string("Expected ") + what + " (Got " + Shortened(Peek().text) + ")");
    return Next().text;
  }
  void ExpectOperator(const char* op) {
    if (!SkipOperator(op)) Fail(std::string("Expected ") + op + " (Got " + Shortened(Peek().text) + ")");
  }

  // A node that begins at the token `start`, around the nodes that it is made of.
  template <typename T, typename... Parts>
  std::unique_ptr<T> MakeNode(size_t start, Parts&&... parts) const {
    Spend(1);
    const size_t depth = 1 + std::max({size_t(0), DepthOf(parts)...});
    if (depth > kMaxNodeDepth) ThrowTooDeep();
    auto node = std::make_unique<T>(std::forward<Parts>(parts)...);
    node->position = start < tokens_.size() ? tokens_[start].position : 0;
    node->depth = depth;
    return node;
  }

  size_t at() const { return at_; }

 private:
  template <typename T>
  static size_t DepthOf(const T&) {
    return 0;
  }
  template <typename T>
  static size_t DepthOf(const std::unique_ptr<T>& node) {
    return node ? node->depth : 0;
  }
  template <typename T>
  static size_t DepthOf(const std::vector<std::unique_ptr<T>>& nodes) {
    size_t depth = 0;
    for (const auto& node : nodes) depth = std::max(depth, DepthOf(node));
    return depth;
  }
  static size_t DepthOf(const std::vector<Body>& bodies) {
    size_t depth = 0;
    for (const Body& body : bodies) depth = std::max(depth, DepthOf(body));
    return depth;
  }
  static size_t DepthOf(const ArgumentList& arguments) {
    size_t depth = 0;
    for (const ArgumentNode& argument : arguments.all) depth = std::max(depth, DepthOf(argument.value));
    return depth;
  }
  static size_t DepthOf(const NamedCall& call) { return DepthOf(call.arguments); }
  static size_t DepthOf(const std::vector<NamedCall>& calls) {
    size_t depth = 0;
    for (const NamedCall& call : calls) depth = std::max(depth, DepthOf(call));
    return depth;
  }
  static size_t DepthOf(const Procedure& procedure) {
    return std::max(DepthOf(procedure.defaults), DepthOf(procedure.body));
  }

  const std::vector<Token>& tokens_;
  size_t at_ = 0;
};

}  // namespace jinja
