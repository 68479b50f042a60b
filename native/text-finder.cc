#include "text-finder.h"

#include <algorithm>
#include <array>
#include <utility>

#include "args.h"

namespace gpt4all {

namespace {

constexpr char32_t kReplacement = 0xfffd;

bool IsHigh(char16_t unit) {
  return (unit & 0xfc00) == 0xd800;
}

bool IsLow(char16_t unit) {
  return (unit & 0xfc00) == 0xdc00;
}

// The character at `at`, one or two units; half a pair is U+FFFD, as it will be in UTF-8.
char32_t CharacterAt(const std::u16string& text, size_t at, size_t& units) {
  const char16_t unit = text[at];
  units = 1;
  if (!IsHigh(unit)) return IsLow(unit) ? kReplacement : unit;
  if (at + 1 == text.size() || !IsLow(text[at + 1])) return kReplacement;
  units = 2;
  return 0x10000 + ((unit & 0x3ffu) << 10) + (text[at + 1] & 0x3ffu);
}

void Append(std::u16string& text, char32_t character) {
  if (character < 0x10000) {
    text += static_cast<char16_t>(character);
    return;
  }
  text += static_cast<char16_t>(0xd800 + ((character - 0x10000) >> 10));
  text += static_cast<char16_t>(0xdc00 + ((character - 0x10000) & 0x3ff));
}

std::u16string WellFormed(std::u16string&& text) {
  for (size_t at = 0, units = 1; at < text.size(); at += units) {
    if (CharacterAt(text, at, units) == kReplacement) text[at] = kReplacement;
  }
  return std::move(text);
}

template <typename Each>
void ForEachByte(char32_t character, const Each& each) {
  if (character < 0x80) return each(static_cast<uint8_t>(character));
  const int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  static constexpr std::array<uint8_t, 4> kLead = {0, 0xc0, 0xe0, 0xf0};
  each(static_cast<uint8_t>(kLead[static_cast<size_t>(more)] | (character >> (6 * more))));
  for (int i = more - 1; i >= 0; i--) each(static_cast<uint8_t>(0x80 | ((character >> (6 * i)) & 0x3f)));
}

// The characters of UTF-8; false where it is none. Longer forms than needed are passed over: no text has
// them.
bool Decode(const std::vector<uint8_t>& bytes, std::u16string& text) {
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

// GPT-2's characters for bytes: those that can be printed are themselves. Empty where the text has others.
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

std::u16string Units(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw BadArgument(value.Env(), name, "a string");
  return value.As<Napi::String>().Utf16Value();
}

}  // namespace

Napi::Function TextFinder::Init(Napi::Env env) {
  return DefineClass(env, "TextFinder",
                     {
                         InstanceMethod<&TextFinder::Marked>("marked"),
                         InstanceMethod<&TextFinder::Without>("without"),
                         InstanceMethod<&TextFinder::Occurring>("occurring"),
                     });
}

TextFinder::TextFinder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TextFinder>(info) {
  std::vector<std::u16string> texts;
  ForEach(info[0], "texts", UINT32_MAX,
          [&](const Napi::Value& text) { texts.push_back(Units(text, "texts")); });
  // A vocabulary may write all bytes in a way of its own: what it looks up as its text is then another.
  const size_t count = Boolean(info[1], "spelled") ? texts.size() : 0;
  for (size_t i = 0; i < count; i++) {
    for (const std::vector<uint8_t>& bytes : {BytesOfCharacters(texts[i]), BytesOfEscapes(texts[i])}) {
      std::u16string decoded;
      if (!Decode(bytes, decoded)) {
        for (const uint8_t byte : bytes) partial_bytes_[byte] = partial_bytes_[byte] || byte >= 0x80;
      } else if (!decoded.empty() && decoded != texts[i]) {
        texts.push_back(std::move(decoded));
      }
    }
  }
  texts_.emplace(texts);
}

Napi::Value TextFinder::Marked(const Napi::CallbackInfo& info) {
  const std::u16string in = WellFormed(Units(info[0], "text"));
  const std::u16string cut = Units(info[1], "cut"), open = Units(info[2], "open"),
                       close = Units(info[3], "close");
  const std::vector<uint8_t> lengths = texts_->Beginnings(in);
  std::u16string marked;
  marked.reserve(in.size());
  for (size_t at = 0, units = 1; at < in.size(); at += units) {
    const char32_t character = CharacterAt(in, at, units);
    bool single = lengths[at] != 0 && lengths[at] <= units;
    if (partial_bytes_.any())
      ForEachByte(character, [&](uint8_t byte) { single = single || partial_bytes_[byte]; });
    if (single) marked += open;
    marked.append(in, at, units);
    if (single || lengths[at] != 0) marked += single ? close : cut;
  }
  return Napi::String::New(info.Env(), marked);
}

Napi::Value TextFinder::Without(const Napi::CallbackInfo& info) {
  const std::u16string in = Units(info[0], "text");
  const std::vector<uint8_t> lengths = texts_->Beginnings(in);
  std::u16string left;
  left.reserve(in.size());
  for (size_t at = 0; at < in.size(); at += std::max<size_t>(lengths[at], 1)) {
    if (lengths[at] == 0) left += in[at];
  }
  return Napi::String::New(info.Env(), left);
}

Napi::Value TextFinder::Occurring(const Napi::CallbackInfo& info) {
  const std::vector<uint32_t> found = texts_->Occurring(Units(info[0], "text"));
  auto array = Napi::Uint32Array::New(info.Env(), found.size());
  std::copy(found.begin(), found.end(), array.Data());
  return array;
}

}  // namespace gpt4all
