// What Python's str knows about characters: white space, digits, and case.
#pragma once

#include <string>
#include <string_view>

namespace jinja {

// str.isspace(), str.isprintable(), str.isdecimal() and str.isdigit() of one character.
bool IsSpace(char32_t code);
bool IsPrintable(char32_t code);
bool IsDecimal(char32_t code);
bool IsDigit(char32_t code);

std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
std::string ToCapitalized(std::string_view text);
std::string ToTitle(std::string_view text);
std::string ToSwapped(std::string_view text);
bool IsUpper(std::string_view text);
bool IsLower(std::string_view text);

}  // namespace jinja
