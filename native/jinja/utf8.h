// UTF-8 by code points, as in Python's str. A byte that belongs to no character counts as one, and stays as
// it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jinja {

bool IsAscii(std::string_view text);

// The character that begins at `pos`, and its bytes.
char32_t ReadCharacter(std::string_view text, size_t pos, size_t& size);
// The character that ends before `end`, and where it begins.
char32_t ReadCharacterBefore(std::string_view text, size_t end, size_t& begin);
size_t CharacterSize(std::string_view text, size_t pos);
size_t CountCharacters(std::string_view text);
// The number of bytes of the first `count` characters; the text must have that many.
size_t OffsetOfCharacter(std::string_view text, size_t count);

std::u32string DecodeUtf8(std::string_view text);
std::string EncodeUtf8(std::u32string_view codes);
void AppendUtf8(std::string& out, char32_t code);

}  // namespace jinja
