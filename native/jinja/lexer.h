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

// All ends of lines are \n, and the last one is none of the text.
std::string NormalizeNewlines(const std::string& source);

// Of a text whose ends of lines are normalized. May throw SyntaxError.
std::vector<Token> Tokenize(const std::string& source);

}  // namespace jinja
