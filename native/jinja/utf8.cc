#include "utf8.h"

#include <algorithm>

#include "limits.h"

namespace jinja {

namespace {

// Added to a byte that belongs to no character, as Python's surrogateescape does.
constexpr char32_t kEscapedByte = 0xdc00;

unsigned char ByteAt(std::string_view text, size_t pos) {
  return static_cast<unsigned char>(text[pos]);
}

// Loops over many characters spend on this many at once, so that they can be given up in between.
constexpr size_t kAtOnce = 4096;

void SpendOnCharacters(size_t at, size_t count, uint64_t bytes_each) {
  if (at % kAtOnce == 0) SpendOnReading(bytes_each * std::min(kAtOnce, count - at));
}

bool Continues(unsigned char byte) {
  return (byte & 0xc0) == 0x80;
}

}  // namespace

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

char32_t ReadCharacter(std::string_view text, size_t pos, size_t& size) {
  const unsigned char lead = ByteAt(text, pos);
  size = 1;
  if (lead < 0x80) return lead;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || pos + length > text.size()) return kEscapedByte + lead;
  char32_t code = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    const unsigned char byte = ByteAt(text, pos + i);
    if (!Continues(byte)) return kEscapedByte + lead;
    code = (code << 6) | (byte & 0x3f);
  }
  const bool is_overlong = code < (length == 4 ? 0x10000u : length == 3 ? 0x800u : 0x80u);
  if (is_overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return kEscapedByte + lead;
  size = length;
  return code;
}

char32_t ReadCharacterBefore(std::string_view text, size_t end, size_t& begin) {
  begin = end - 1;
  while (begin > 0 && end - begin < 4 && Continues(ByteAt(text, begin))) begin--;
  size_t size = 0;
  const char32_t code = ReadCharacter(text, begin, size);
  if (begin + size == end) return code;
  begin = end - 1;  // the last byte belongs to no character
  return ReadCharacter(text, begin, size);
}

size_t CharacterSize(std::string_view text, size_t pos) {
  size_t size = 0;
  ReadCharacter(text, pos, size);
  return size;
}

size_t CountCharacters(std::string_view text) {
  if (IsAscii(text)) return text.size();
  size_t count = 0;
  for (size_t pos = 0; pos < text.size(); pos += CharacterSize(text, pos)) {
    SpendOnCharacters(count, text.size(), 4);
    count++;
  }
  return count;
}

size_t OffsetOfCharacter(std::string_view text, size_t count) {
  if (IsAscii(text)) return count;
  size_t offset = 0;
  for (size_t i = 0; i < count; i++) {
    SpendOnCharacters(i, count, 4);
    offset += CharacterSize(text, offset);
  }
  return offset;
}

std::u32string DecodeUtf8(std::string_view text) {
  EnsureRoom(4 * text.size());
  std::u32string codes;
  codes.reserve(text.size());
  for (size_t pos = 0, size = 0; pos < text.size(); pos += size) {
    SpendOnCharacters(codes.size(), text.size(), 8);
    codes.push_back(ReadCharacter(text, pos, size));
  }
  return codes;
}

std::string EncodeUtf8(std::u32string_view codes) {
  std::string text;
  text.reserve(codes.size());
  for (size_t i = 0; i < codes.size(); i++) {
    SpendOnCharacters(i, codes.size(), 8);
    AppendUtf8(text, codes[i]);
  }
  return text;
}

void AppendUtf8(std::string& out, char32_t code) {
  const auto append = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    append(code);
  } else if (code >= kEscapedByte + 0x80 && code <= kEscapedByte + 0xff) {
    append(code - kEscapedByte);
  } else if (code < 0x800) {
    append(0xc0 | (code >> 6));
    append(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    append(0xe0 | (code >> 12));
    append(0x80 | ((code >> 6) & 0x3f));
    append(0x80 | (code & 0x3f));
  } else {
    append(0xf0 | (code >> 18));
    append(0x80 | ((code >> 12) & 0x3f));
    append(0x80 | ((code >> 6) & 0x3f));
    append(0x80 | (code & 0x3f));
  }
}

}  // namespace jinja
