// Texts in UTF-16, as JavaScript has them, and their UTF-8.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gpt4all {

constexpr char32_t kReplacement = 0xfffd;

inline bool IsHigh(char16_t unit) {
  return (unit & 0xfc00) == 0xd800;
}

inline bool IsLow(char16_t unit) {
  return (unit & 0xfc00) == 0xdc00;
}

// The character at `at`, one or two units; half a pair becomes U+FFFD, as it does in UTF-8.
inline char32_t CharacterAt(const std::u16string& text, size_t at, size_t& units) {
  const char16_t unit = text[at];
  units = 1;
  if (!IsHigh(unit)) return IsLow(unit) ? kReplacement : unit;
  if (at + 1 == text.size() || !IsLow(text[at + 1])) return kReplacement;
  units = 2;
  return 0x10000 + ((unit & 0x3ffu) << 10) + (text[at + 1] & 0x3ffu);
}

inline void Append(std::u16string& text, char32_t character) {
  if (character < 0x10000) {
    text += static_cast<char16_t>(character);
    return;
  }
  text += static_cast<char16_t>(0xd800 + ((character - 0x10000) >> 10));
  text += static_cast<char16_t>(0xdc00 + ((character - 0x10000) & 0x3ff));
}

// The bytes of a character in UTF-8.
template <typename Each>
void ForEachByte(char32_t character, const Each& each) {
  if (character < 0x80) return each(static_cast<uint8_t>(character));
  const int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  static constexpr std::array<uint8_t, 4> kLead = {0, 0xc0, 0xe0, 0xf0};
  each(static_cast<uint8_t>(kLead[static_cast<size_t>(more)] | (character >> (6 * more))));
  for (int i = more - 1; i >= 0; i--) each(static_cast<uint8_t>(0x80 | ((character >> (6 * i)) & 0x3f)));
}

// The text of UTF-16 in UTF-8. Halves of characters are U+FFFD, as JavaScript makes them.
std::string ToUtf8(const std::u16string& text);

// The characters of UTF-8 bytes; false if they are not UTF-8. Overlong forms are not looked for: no text has
// them.
bool FromUtf8(const std::vector<uint8_t>& bytes, std::u16string& text);

// Halves of characters become U+FFFD.
void MakeWellFormed(std::u16string& text);

}  // namespace gpt4all
