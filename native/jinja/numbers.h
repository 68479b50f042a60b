// Numbers as Python reads and writes them, whatever the program's locale.
#pragma once

#include <cstdint>
#include <string>

namespace jinja {

// The shortest digits that make the same number.
std::string FloatToText(double number);
// With this many digits after the point.
std::string FloatToFixed(double number, int digits);

// The results of int(text, base) and float(text); false where they fail.
bool ReadInteger(const std::string& text, int base, int64_t& number);
bool ReadFloat(const std::string& text, double& number);

// Digits, a point and an exponent, and nothing else; false if the number is out of range.
bool ReadPlainFloat(const std::string& text, double& number);

}  // namespace jinja
