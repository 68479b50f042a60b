// Cuts a template into tokens as Jinja2 does with trim_blocks and lstrip_blocks, as chat templates want it.
#pragma once

#include <string>
#include <vector>

namespace jinja {

struct Token {
  enum class Kind {
    kEnd,
    kText,
    kComment,
    kOpenStatement,    // {%
    kCloseStatement,   // %}
    kOpenExpression,   // {{
    kCloseExpression,  // }}
    kName,
    kNumber,
    kString,
    kOperator,  // punctuation as well
  };
  Kind kind;
  std::string text;  // of strings what they stand for
  size_t position;
};

// Makes all ends of lines \n, and leaves out the last one.
std::string NormalizeNewlines(const std::string& source);

// The tokens of a text with normalized ends of lines. May throw SyntaxError.
std::vector<Token> Tokenize(const std::string& source);

}  // namespace jinja
