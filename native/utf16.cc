#include "utf16.h"

#include "jinja/utf8.h"

namespace gpt4all {

std::string ToUtf8(const std::u16string& text) {
  std::string bytes;
  for (size_t at = 0, units = 1; at < text.size(); at += units) {
    jinja::AppendUtf8(bytes, CharacterAt(text, at, units));
  }
  return bytes;
}

bool FromUtf8(const std::vector<uint8_t>& bytes, std::u16string& text) {
  for (size_t at = 0; at < bytes.size();) {
    const uint8_t lead = bytes[at++];
    const int more = lead < 0x80   ? 0
                     : lead < 0xc2 ? -1
                     : lead < 0xe0 ? 1
                     : lead < 0xf0 ? 2
                     : lead < 0xf5 ? 3
                                   : -1;
    if (more < 0 || bytes.size() - at < static_cast<size_t>(more)) return false;
    char32_t character = more == 0 ? lead : lead & (0x3fu >> more);
    for (int i = 0; i < more; i++) {
      const uint8_t byte = bytes[at++];
      if ((byte & 0xc0) != 0x80) return false;
      character = (character << 6) | (byte & 0x3fu);
    }
    if (character > 0x10ffff || (character >= 0xd800 && character < 0xe000)) return false;
    Append(text, character);
  }
  return true;
}

void MakeWellFormed(std::u16string& text) {
  for (size_t at = 0, units = 1; at < text.size(); at += units) {
    if (CharacterAt(text, at, units) == kReplacement) text[at] = kReplacement;
  }
}

}  // namespace gpt4all
