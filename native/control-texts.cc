#include "control-texts.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <random>
#include <utility>

#include "checkpoint.h"
#include "jinja/utf8.h"

namespace gpt4all {

namespace {

constexpr char32_t kReplacement = 0xfffd;
constexpr char16_t kSpace = 0x2581;  // as SentencePiece writes it
constexpr size_t kLongMark = 8;
constexpr size_t kAtOnce = 4096;  // ranges

bool IsHigh(char16_t unit) {
  return (unit & 0xfc00) == 0xd800;
}

bool IsLow(char16_t unit) {
  return (unit & 0xfc00) == 0xdc00;
}

// The character at `at`, one or two units; half a pair becomes U+FFFD, as it does in UTF-8.
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

template <typename Each>
void ForEachByte(char32_t character, const Each& each) {
  if (character < 0x80) return each(static_cast<uint8_t>(character));
  const int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  static constexpr std::array<uint8_t, 4> kLead = {0, 0xc0, 0xe0, 0xf0};
  each(static_cast<uint8_t>(kLead[static_cast<size_t>(more)] | (character >> (6 * more))));
  for (int i = more - 1; i >= 0; i--) each(static_cast<uint8_t>(0x80 | ((character >> (6 * i)) & 0x3f)));
}

// The characters of UTF-8 bytes; false if they are not UTF-8. Overlong forms are not looked for: no text has
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

// A byte that is no part of a character is U+FFFD.
char32_t CharacterOfUtf8(const std::string& text, size_t at, size_t& size) {
  const char32_t character = jinja::ReadCharacter(text, at, size);
  return character >= 0xd800 && character < 0xe000 ? kReplacement : character;
}

// The ranges of bytes, which begin and end with characters, as ranges of units.
std::vector<UnitRange> ToUnits(const jinja::MixedText& mixed, std::u16string& units) {
  std::vector<UnitRange> ranges;
  units.reserve(mixed.text.size());
  size_t at = 0;
  const auto read_to = [&](size_t end) {
    for (size_t size = 0; at < end; at += size) Append(units, CharacterOfUtf8(mixed.text, at, size));
    return units.size();
  };
  for (const jinja::UserBytes::Range& users : mixed.users.ranges()) {
    const size_t begin = read_to(users.begin);
    ranges.push_back({begin, read_to(users.end)});
  }
  read_to(mixed.text.size());
  return ranges;
}

void MakeWellFormed(std::u16string& text) {
  for (size_t at = 0, units = 1; at < text.size(); at += units) {
    if (CharacterAt(text, at, units) == kReplacement) text[at] = kReplacement;
  }
}

// Ranges of whole characters of a text that is well formed. Those that meet are one.
std::vector<UnitRange> OfWholeCharacters(const std::vector<UnitRange>& ranges, const std::u16string& text) {
  std::vector<UnitRange> whole;
  const auto is_within = [&](size_t place) { return place < text.size() && IsLow(text[place]); };
  for (const UnitRange& range : ranges) {
    const size_t begin = range.begin - (is_within(range.begin) ? 1 : 0),
                 end = range.end + (is_within(range.end) ? 1 : 0);
    const bool meets = !whole.empty() && begin <= whole.back().end && whole.back().end > whole.back().begin;
    if (meets) {
      whole.back().end = std::max(whole.back().end, end);
    } else {
      whole.push_back({begin, end});
    }
  }
  return whole;
}

// Where all private-use characters are used: marks that a text is unlikely to have.
std::u16string LongMark() {
  std::random_device random;
  std::uniform_int_distribution<uint16_t> any(PrivateUse::kFirst, PrivateUse::kLast);
  std::u16string mark;
  while (mark.size() < kLongMark) mark += static_cast<char16_t>(any(random));
  return mark;
}

}  // namespace

std::string ToUtf8(const std::u16string& text) {
  std::string bytes;
  for (size_t at = 0, units = 1; at < text.size(); at += units) {
    jinja::AppendUtf8(bytes, CharacterAt(text, at, units));
  }
  return bytes;
}

void PrivateUse::Add(const std::u16string& text) {
  for (const char16_t unit : text) {
    if (unit >= kFirst && unit <= kLast) units_[unit - kFirst] = true;
  }
}

// In UTF-8 private-use characters begin with one of two bytes, which hardly any text has.
void PrivateUse::Add(const std::string& text) {
  for (const char lead : {'\xee', '\xef'}) {
    for (size_t at = text.find(lead), size = 0; at != std::string::npos; at = text.find(lead, at + 1)) {
      const char32_t character = jinja::ReadCharacter(text, at, size);
      if (character >= kFirst && character <= kLast) units_[character - kFirst] = true;
    }
  }
}

std::string WithoutMarks(const std::string& text, const Marks& marks) {
  const std::string all[] = {ToUtf8(marks.cut), ToUtf8(marks.open), ToUtf8(marks.close)};
  const auto is_mark = [&](size_t at, const std::string& mark) {
    return !mark.empty() && text[at] == mark[0] && text.compare(at, mark.size(), mark) == 0;
  };
  std::string left;
  left.reserve(text.size());
  size_t copied = 0;
  for (size_t at = 0; at < text.size(); at++) {
    const auto* const mark = std::find_if(std::begin(all), std::end(all),
                                          [&](const std::string& one) { return is_mark(at, one); });
    if (mark == std::end(all)) continue;
    left.append(text, copied, at - copied);
    copied = at + mark->size();
    at = copied - 1;
  }
  left.append(text, copied);
  return left;
}

ControlTexts::ControlTexts(std::vector<std::u16string> texts, Spelling spelling) {
  const size_t count = texts.size();
  for (size_t i = 0; i < count; i++) {
    used_.Add(texts[i]);
    // A vocabulary looks up as its text what may be written otherwise, and puts a space before texts.
    std::u16string decoded;
    const std::vector<uint8_t> bytes = spelling == Spelling::kCharacters ? BytesOfCharacters(texts[i])
                                       : spelling == Spelling::kEscapes  ? BytesOfEscapes(texts[i])
                                                                         : std::vector<uint8_t>();
    if (!Decode(bytes, decoded)) {
      for (const uint8_t byte : bytes) partial_bytes_[byte] = true;
    } else if (!decoded.empty() && decoded != texts[i]) {
      texts.push_back(std::move(decoded));
    }
    const size_t word = std::min(texts[i].find_first_not_of(kSpace), texts[i].size());
    if (word > 0 && word < texts[i].size()) texts.push_back(texts[i].substr(word));
  }
  texts_.emplace(texts);
}

Marks ControlTexts::UnusedMarks(PrivateUse used) const {
  used.Add(used_);
  std::vector<std::u16string> marks;
  for (char16_t unit = PrivateUse::kFirst; unit <= PrivateUse::kLast && marks.size() < 3; unit++) {
    if (!used.Has(unit)) marks.emplace_back(1, unit);
  }
  while (marks.size() < 3) marks.push_back(LongMark());
  return {marks[0], marks[1], marks[2]};
}

template <typename Put>
void ControlTexts::PutMarks(const std::u16string& text, const std::vector<UnitRange>& users,
                            const Marks& marks, const Put& put) const {
  std::vector<size_t> places;
  for (const UnitRange& range : users) places.push_back(range.begin);
  const std::vector<bool> spanned = texts_->Spanned(text, places);
  Checkpoint();
  const std::vector<uint8_t> lengths = texts_->Beginnings(text);
  for (size_t i = 0; i < users.size(); i++) {
    if (i % kAtOnce == 0) Checkpoint();
    if (spanned[i]) put(users[i].begin, marks.cut);
    for (size_t at = users[i].begin, units = 1; at < users[i].end; at += units) {
      const char32_t character = CharacterAt(text, at, units);
      bool is_single = lengths[at] != 0 && lengths[at] <= units;
      if (partial_bytes_.any())
        ForEachByte(character, [&](uint8_t byte) { is_single = is_single || partial_bytes_[byte]; });
      const size_t behind = at + units;
      if (!is_single && lengths[at] != 0) put(behind, marks.cut);
      if (!is_single) continue;
      put(at, marks.open);
      put(behind, marks.close);
    }
  }
}

std::u16string ControlTexts::Marked(std::u16string text, std::vector<UnitRange> users,
                                    const Marks& marks) const {
  MakeWellFormed(text);
  std::u16string marked;
  marked.reserve(text.size());
  size_t copied = 0;
  PutMarks(text, OfWholeCharacters(users, text), marks, [&](size_t place, const std::u16string& mark) {
    marked.append(text, copied, place - copied);
    marked += mark;
    copied = place;
  });
  marked.append(text, copied);
  return marked;
}

std::string ControlTexts::Marked(const jinja::MixedText& mixed, const Marks& marks) const {
  std::u16string units;
  const std::vector<UnitRange> users = ToUnits(mixed, units);
  std::string marked;
  size_t copied = 0, at = 0, unit = 0;
  PutMarks(units, users, marks, [&](size_t place, const std::u16string& mark) {
    for (size_t size = 0; unit < place; at += size) {
      unit += CharacterOfUtf8(mixed.text, at, size) < 0x10000 ? 1 : 2;
    }
    marked.append(mixed.text, copied, at - copied);
    marked += ToUtf8(mark);
    copied = at;
  });
  marked.append(mixed.text, copied);
  return marked;
}

}  // namespace gpt4all
