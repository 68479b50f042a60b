// Makes a tree of a template's tokens.
#pragma once

#include <string>

#include "lexer.h"
#include "statements.h"

namespace jinja {

struct Program {
  std::string source;  // with its ends of lines normalized: positions are places in it
  Body body;
  HiddenNames hidden;
};

// May throw SyntaxError.
Program Parse(const std::string& source);

// Finds the hidden names of each scope, and refuses unknown names of filters and tests. May throw
// SyntaxError.
void ResolveNames(Program& program);

}  // namespace jinja
