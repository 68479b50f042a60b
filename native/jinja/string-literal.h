// Strings in templates, with Python's escapes.
#pragma once

#include <string>

namespace jinja {

// What the string at `pos`, where its quote stands, stands for; `pos` is behind it then. May throw
// SyntaxError.
std::string ReadStringLiteral(const std::string& source, size_t& pos);

}  // namespace jinja
