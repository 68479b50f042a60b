#include "spelling.h"

#include <array>

#include "utf16.h"

namespace gpt4all {

namespace {

// The bytes for which GPT-2's characters stand: printable ones stand for themselves. Empty if the text has
// other characters.
std::vector<uint8_t> BytesOfCharacters(const std::u16string& text) {
  static const std::array<int16_t, 512> bytes = [] {
    std::array<int16_t, 512> made;
    made.fill(-1);
    int16_t others = 256;
    for (int16_t byte = 0; byte < 256; byte++) {
      const bool is_printed = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
      made[static_cast<size_t>(is_printed ? byte : others++)] = byte;
    }
    return made;
  }();
  std::vector<uint8_t> found;
  for (const char16_t unit : text) {
    if (unit >= bytes.size() || bytes[unit] < 0) return {};
    found.push_back(static_cast<uint8_t>(bytes[unit]));
  }
  return found;
}

// RWKV's vocabularies escape bytes as C does: `\n`, `\xe4`. Empty where nothing is escaped.
std::vector<uint8_t> BytesOfEscapes(const std::u16string& text) {
  std::vector<uint8_t> found;
  if (text.find(u'\\') == std::u16string::npos) return found;
  const auto digit = [](char16_t unit) { return unit >= u'a' ? unit - u'a' + 10 : unit - u'0'; };
  for (size_t at = 0, units = 1; at < text.size(); at += units) {
    char32_t character = CharacterAt(text, at, units);
    if (character == U'\\' && at + 1 < text.size()) {
      at++;
      character = CharacterAt(text, at, units);
      if (character == U'x' && at + 2 < text.size()) {
        found.push_back(static_cast<uint8_t>((digit(text[at + 1]) << 4) + digit(text[at + 2])));
        units = 3;
        continue;
      }
      character = character == U't'   ? U'\t'
                  : character == U'n' ? U'\n'
                  : character == U'r' ? U'\r'
                                      : character;
    }
    ForEachByte(character, [&](uint8_t byte) { found.push_back(byte); });
  }
  return found;
}

}  // namespace

std::vector<uint8_t> BytesOf(const std::u16string& text, Spelling spelling) {
  switch (spelling) {
    case Spelling::kCharacters:
      return BytesOfCharacters(text);
    case Spelling::kEscapes:
      return BytesOfEscapes(text);
    case Spelling::kPlain:
      break;
  }
  return {};
}

}  // namespace gpt4all
