#include "numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

#include "characters.h"
#include "errors.h"
#include "limits.h"
#include "text.h"

namespace jinja {

namespace {

std::string Write(double number, std::ios::fmtflags format, int precision) {
  Spend(60);
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.setf(format, std::ios::floatfield);
  out.precision(precision);
  out << number;
  return out.str();
}

bool Read(const std::string& text, double& number) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  in >> number;
  return !in.fail();
}

// d.ddde+xx. Where 15 digits suffice, they are the shortest once their trailing zeros are removed.
std::string ShortestScientific(double number) {
  const bool is_subnormal = std::fabs(number) < std::numeric_limits<double>::min();
  std::string digits;
  for (int precision = is_subnormal ? 0 : 14; precision < 17; precision++) {
    digits = Write(number, std::ios::scientific, precision);
    double back = 0;
    const bool in_range = Read(digits, back);
    if (back == number && (in_range || is_subnormal)) break;
  }
  return digits;
}

bool IsDigitAt(const std::string& text, size_t pos) {
  return pos < text.size() && text[pos] >= '0' && text[pos] <= '9';
}

// Removes the sign, and sets `negative`.
std::string WithoutSign(std::string text, bool& negative) {
  negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.erase(0, 1);
  return text;
}

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

}  // namespace

std::string FloatToText(double number) {
  const std::string written = ShortestScientific(number);
  const size_t e = written.find('e');
  const int exponent = std::stoi(written.substr(e + 1));
  const std::string sign = written[0] == '-' ? "-" : "";
  std::string digits = written.substr(sign.size(), e - sign.size());
  digits.erase(std::remove(digits.begin(), digits.end(), '.'), digits.end());
  digits.erase(std::max<size_t>(digits.find_last_not_of('0') + 1, 1));
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    if (count > 1) digits.insert(1, ".");
    const std::string power = std::to_string(std::abs(exponent));
    return sign + digits + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (exponent + 1 >= count) {
    return sign + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  }
  return sign + digits.insert(static_cast<size_t>(exponent + 1), ".");
}

std::string FloatToFixed(double number, int digits) {
  Spend(static_cast<uint64_t>(digits));
  return Write(number, std::ios::fixed, digits);
}

bool ReadInteger(const std::string& text, int base, int64_t& number) {
  bool negative = false;
  std::string digits = WithoutSign(std::string(Strip(text, Side::kBoth)), negative);
  const std::string prefix = digits.substr(0, 2);
  const int prefixed = prefix == "0x" || prefix == "0X"   ? 16
                       : prefix == "0o" || prefix == "0O" ? 8
                       : prefix == "0b" || prefix == "0B" ? 2
                                                          : 0;
  if (prefixed != 0 && (base == 0 || base == prefixed)) {
    base = prefixed;
    digits.erase(0, 2);
  } else if (base == 0) {
    base = 10;
    const bool only_zeros = digits.find_first_not_of("0_") == std::string::npos;
    if (digits.size() > 1 && digits[0] == '0' && !only_zeros) return false;
  }
  number = 0;
  bool after_digit = false;
  for (const char c : digits) {
    if (c == '_' && after_digit) {
      after_digit = false;
      continue;
    }
    const int digit = DigitOf(c);
    if (digit >= base) return false;
    if (number > (INT64_MAX - digit) / base) throw NotImplemented("an integer of more than 64 bits");
    number = number * base + digit;
    after_digit = true;
  }
  number = negative ? -number : number;
  return after_digit;
}

bool ReadFloat(const std::string& text, double& number) {
  bool negative = false;
  const std::string given = WithoutSign(ToLower(Strip(text, Side::kBoth)), negative);
  if (given == "inf" || given == "infinity") {
    number = negative ? -INFINITY : INFINITY;
    return true;
  }
  if (given == "nan") {
    number = NAN;
    return true;
  }
  std::string plain;
  for (size_t i = 0; i < given.size(); i++) {
    const bool groups = given[i] == '_' && i > 0 && IsDigitAt(given, i - 1) && IsDigitAt(given, i + 1);
    if (!groups) plain += given[i];
  }
  const size_t e = plain.find('e');
  const std::string mantissa = plain.substr(0, e);
  if (mantissa.find_first_of("0123456789") == std::string::npos ||
      mantissa.find_first_not_of("0123456789.") != std::string::npos ||
      std::count(mantissa.begin(), mantissa.end(), '.') > 1) {
    return false;
  }
  if (e != std::string::npos) {
    bool ignored = false;
    const std::string power = WithoutSign(plain.substr(e + 1), ignored);
    if (power.empty() || power.find_first_not_of("0123456789") != std::string::npos) return false;
  }
  if (!ReadPlainFloat(plain, number)) throw NotImplemented("the number " + given.substr(0, 40));
  number = negative ? -number : number;
  return true;
}

bool ReadPlainFloat(const std::string& text, double& number) {
  return Read(text, number);
}

}  // namespace jinja
