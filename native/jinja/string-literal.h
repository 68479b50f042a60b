// Strings in templates, with Python's escapes.
#pragma once

#include <string>

namespace jinja {

// The value of the string whose opening quote is at `pos`, which is moved after the string. May throw
// SyntaxError.
std::string ReadStringLiteral(const std::string& source, size_t& pos);

}  // namespace jinja
