// How templates fail.
#pragma once

#include <stdexcept>
#include <string>

namespace jinja {

// The beginning of a text, for a message.
inline std::string Shortened(const std::string& text, size_t most = 100) {
  if (text.size() <= most) return text;
  const auto continues = [&](size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  while (most > 0 && continues(most)) most--;
  return text.substr(0, most) + "...";
}

// Jinja2 would fail here too.
class TemplateError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Jinja2 supports this and the engine does not: it says so instead of rendering something else.
class NotImplemented : public TemplateError {
 public:
  explicit NotImplemented(const std::string& what) : TemplateError(what + " is not implemented") {}
};

// An error in a template's text, at a place of it.
class SyntaxError : public TemplateError {
 public:
  SyntaxError(const std::string& what, size_t position) : TemplateError(what), position(position) {}
  const size_t position;
};

// An error where a template is rendered, at a place of its text.
class RenderError : public TemplateError {
 public:
  RenderError(const std::string& what, size_t position) : TemplateError(what), position(position) {}
  const size_t position;
};

}  // namespace jinja
