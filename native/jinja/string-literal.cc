#include "string-literal.h"

#include "errors.h"
#include "utf8.h"

namespace jinja {

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// A character's number in base `base`, with `least` to `most` digits.
char32_t ReadCode(const std::string& source, size_t& pos, int base, size_t least, size_t most,
                  size_t escape) {
  char32_t code = 0;
  size_t count = 0;
  for (; count < most && pos < source.size() && HexDigit(source[pos]) < base; count++, pos++) {
    code = code * static_cast<char32_t>(base) + static_cast<char32_t>(HexDigit(source[pos]));
  }
  const bool is_surrogate = code >= 0xd800 && code < 0xe000;
  if (count < least || code > 0x10ffff || is_surrogate)
    throw SyntaxError("this escape is no character", escape);
  return code;
}

void ReadEscape(const std::string& source, size_t& pos, std::string& text) {
  static const std::string letters = "abfnrtv\\'\"", meanings = "\a\b\f\n\r\t\v\\'\"";
  const size_t escape = pos++;
  const char c = pos < source.size() ? source[pos] : '\0';
  const size_t known = letters.find(c);
  if (known != std::string::npos) {
    text += meanings[known];
    pos++;
  } else if (c == '\n') {
    pos++;
  } else if (c >= '0' && c <= '7') {
    AppendUtf8(text, ReadCode(source, pos, 8, 1, 3, escape));
  } else if (c == 'x' || c == 'u' || c == 'U') {
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
    AppendUtf8(text, ReadCode(source, ++pos, 16, digits, digits, escape));
  } else if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) {
    // Names of characters are not implemented; and characters beyond ASCII are escaped before Jinja2 reads
    // escapes.
    throw SyntaxError("this escape is not implemented", escape);
  } else {
    text += '\\';  // not an escape
  }
}

}  // namespace

std::string ReadStringLiteral(const std::string& source, size_t& pos) {
  const size_t start = pos;
  const char quote = source[pos++];
  std::string text;
  while (pos < source.size() && source[pos] != quote) {
    if (source[pos] == '\\') {
      ReadEscape(source, pos, text);
    } else {
      text += source[pos++];
    }
  }
  if (pos >= source.size()) throw SyntaxError("unexpected end of input within a string", start);
  pos++;
  return text;
}

}  // namespace jinja
