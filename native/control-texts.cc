#include "control-texts.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "checkpoint.h"
#include "jinja/utf8.h"
#include "utf16.h"

namespace gpt4all {

namespace {

constexpr char16_t kSpace = 0x2581;  // as SentencePiece writes it
constexpr size_t kLongMark = 8;
constexpr size_t kAtOnce = 4096;  // ranges

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
    const std::vector<uint8_t> bytes = BytesOf(texts[i], spelling);
    if (!FromUtf8(bytes, decoded)) {
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
