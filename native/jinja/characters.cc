#include "characters.h"

#include <algorithm>
#include <iterator>

#include "errors.h"
#include "limits.h"
#include "unicode-tables.h"
#include "utf8.h"

namespace jinja {

namespace {

template <size_t n>
bool IsWithin(const CodeRange (&ranges)[n], char32_t code) {
  const auto* after = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                       [](char32_t a, const CodeRange& b) { return a < b.first; });
  return after != std::begin(ranges) && code <= (after - 1)->last;
}

template <size_t n>
char32_t Mapped(const CaseGroup (&groups)[n], char32_t code) {
  const auto* group = std::upper_bound(std::begin(groups), std::end(groups), code,
                                       [](char32_t a, const CaseGroup& b) { return a < b.first; });
  // Groups of every other code point may have others within them.
  for (int i = 0; i < 8 && group != std::begin(groups); i++) {
    group--;
    if (code <= group->last && (code - group->first) % group->step == 0) {
      return static_cast<char32_t>(static_cast<int64_t>(code) + group->delta);
    }
  }
  return code;
}

template <size_t n>
const CaseSpecial* FindSpecial(const CaseSpecial (&specials)[n], char32_t code) {
  const auto* found = std::lower_bound(std::begin(specials), std::end(specials), code,
                                       [](const CaseSpecial& a, char32_t b) { return a.code < b; });
  return found != std::end(specials) && found->code == code ? found : nullptr;
}

void AppendSpecial(std::u32string& out, const CaseSpecial& special) {
  for (const uint32_t code : special.to) {
    if (code != 0) out.push_back(code);
  }
}

void AppendUpper(std::u32string& out, char32_t code) {
  if (code < 0x80) {
    out.push_back(code >= 'a' && code <= 'z' ? code - 32 : code);
  } else if (const auto* special = FindSpecial(kUpperSpecials, code)) {
    AppendSpecial(out, *special);
  } else {
    out.push_back(Mapped(kUpperGroups, code));
  }
}

void AppendTitle(std::u32string& out, char32_t code) {
  if (const auto* special = code < 0x80 ? nullptr : FindSpecial(kTitleSpecials, code)) {
    AppendSpecial(out, *special);
  } else {
    AppendUpper(out, code);
  }
}

constexpr char32_t kDottedI = 0x130, kSigma = 0x3a3, kFinalSigma = 0x3c2, kSmallSigma = 0x3c3;

// Letters in title case are neither upper nor lower.
bool IsUpperLetter(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z';
  const bool only_has_lower = Mapped(kLowerGroups, code) != code && Mapped(kUpperGroups, code) == code;
  return (only_has_lower && !FindSpecial(kUpperSpecials, code)) || IsWithin(kOnlyUpper, code) ||
         code == kDottedI;
}

bool IsLowerLetter(char32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z';
  const bool has_upper = Mapped(kUpperGroups, code) != code || FindSpecial(kUpperSpecials, code);
  return (has_upper && Mapped(kLowerGroups, code) == code) || IsWithin(kOnlyLower, code);
}

bool IsCased(char32_t code) {
  return IsUpperLetter(code) || IsLowerLetter(code) || Mapped(kLowerGroups, code) != code ||
         Mapped(kUpperGroups, code) != code;
}

// A capital sigma at the end of a word becomes another letter than elsewhere. What lies between it and the
// next letter may have to be passed over; beyond ASCII it is not known which characters are.
bool HasLetterBeside(const std::u32string& codes, size_t pos, size_t step) {
  for (size_t i = pos + step; i < codes.size(); i += step) {  // below 0 is beyond the size
    if (IsCased(codes[i])) return true;
    if (codes[i] >= 0x80 && !IsSpace(codes[i])) {
      throw NotImplemented("the lower case of a sigma beside this character");
    }
    if (std::u32string_view(U"'.:^`").find(codes[i]) == std::u32string_view::npos) return false;
  }
  return false;
}

void AppendLower(std::u32string& out, const std::u32string& codes, size_t pos) {
  const char32_t code = codes[pos];
  if (code < 0x80) {
    out.push_back(code >= 'A' && code <= 'Z' ? code + 32 : code);
  } else if (code == kDottedI) {
    out.append({0x69, 0x307});
  } else if (code == kSigma) {
    const bool is_last =
        HasLetterBeside(codes, pos, static_cast<size_t>(-1)) && !HasLetterBeside(codes, pos, 1);
    out.push_back(is_last ? kFinalSigma : kSmallSigma);
  } else {
    out.push_back(Mapped(kLowerGroups, code));
  }
}

// `append(out, codes, i)` for each character.
template <typename Append>
std::string Changed(std::string_view text, Append append) {
  const std::u32string codes = DecodeUtf8(text);
  std::u32string out;
  out.reserve(codes.size());
  for (size_t i = 0; i < codes.size(); i++) {
    if (i % 4096 == 0) SpendOnReading(4 * std::min<size_t>(4096, codes.size() - i));
    append(out, codes, i);
  }
  return EncodeUtf8(out);
}

bool HasCase(std::string_view text, bool (*is_wanted)(char32_t)) {
  bool found = false;
  for (const char32_t code : DecodeUtf8(text)) {
    if (is_wanted(code)) {
      found = true;
    } else if (IsCased(code)) {
      return false;
    }
  }
  return found;
}

}  // namespace

bool IsSpace(char32_t code) {
  return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

bool IsPrintable(char32_t code) {
  if (code < 0x80) return code >= 0x20 && code != 0x7f;
  const auto* end = std::upper_bound(std::begin(kPrintableToggles), std::end(kPrintableToggles), code);
  return (end - std::begin(kPrintableToggles)) % 2 == 0;
}

bool IsDecimal(char32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9';
  const auto* after = std::upper_bound(std::begin(kDecimalZeros), std::end(kDecimalZeros), code);
  return after != std::begin(kDecimalZeros) && code - *(after - 1) < 10;
}

bool IsDigit(char32_t code) {
  return IsDecimal(code) || IsWithin(kOtherDigits, code);
}

std::string ToUpper(std::string_view text) {
  return Changed(
      text, [](std::u32string& out, const std::u32string& codes, size_t i) { AppendUpper(out, codes[i]); });
}

std::string ToLower(std::string_view text) {
  return Changed(text, AppendLower);
}

std::string ToCapitalized(std::string_view text) {
  return Changed(text, [](std::u32string& out, const std::u32string& codes, size_t i) {
    if (i == 0) {
      AppendTitle(out, codes[i]);
    } else {
      AppendLower(out, codes, i);
    }
  });
}

std::string ToTitle(std::string_view text) {
  return Changed(text, [](std::u32string& out, const std::u32string& codes, size_t i) {
    if (i > 0 && IsCased(codes[i - 1])) {
      AppendLower(out, codes, i);
    } else {
      AppendTitle(out, codes[i]);
    }
  });
}

std::string ToSwapped(std::string_view text) {
  return Changed(text, [](std::u32string& out, const std::u32string& codes, size_t i) {
    if (IsUpperLetter(codes[i])) {
      AppendLower(out, codes, i);
    } else if (IsLowerLetter(codes[i])) {
      AppendUpper(out, codes[i]);
    } else {
      out.push_back(codes[i]);
    }
  });
}

bool IsUpper(std::string_view text) {
  return HasCase(text, IsUpperLetter);
}

bool IsLower(std::string_view text) {
  return HasCase(text, IsLowerLetter);
}

}  // namespace jinja
