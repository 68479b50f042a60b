#include "text.h"

#include <algorithm>

#include "characters.h"
#include "limits.h"
#include "utf8.h"

namespace jinja {

namespace {

template <typename Matches>
std::string_view StripMatching(std::string_view text, Side side, const Matches& matches) {
  size_t start = 0, end = text.size();
  if (side != Side::kRight) {
    for (size_t size = 0; start < end && matches(ReadCharacter(text, start, size)); start += size) {
    }
  }
  if (side != Side::kLeft) {
    for (size_t begin = 0; end > start && matches(ReadCharacterBefore(text, end, begin)); end = begin) {
    }
  }
  SpendOnReading(4 * (text.size() - (end - start)));
  return text.substr(start, end - start);
}

// Whether `wanted` is at `pos`. A text that almost matches at many places costs its length at each of them.
bool StandsAt(std::string_view text, size_t pos, std::string_view wanted) {
  const auto at = text.begin() + static_cast<ptrdiff_t>(pos);
  const auto differs = std::mismatch(wanted.begin(), wanted.end(), at).first;
  SpendOnReading(static_cast<uint64_t>(differs - wanted.begin()));
  return differs == wanted.end();
}

bool EndsLine(char32_t code) {
  return (code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

}  // namespace

std::string_view Strip(std::string_view text, Side side) {
  return StripMatching(text, side, IsSpace);
}

std::string_view Strip(std::string_view text, Side side, std::string_view characters) {
  const std::u32string wanted = DecodeUtf8(characters);
  return StripMatching(text, side, [&](char32_t code) {
    SpendOnReading(wanted.size());
    return wanted.find(code) != std::u32string::npos;
  });
}

size_t FindText(std::string_view text, std::string_view wanted, size_t from) {
  if (wanted.empty()) return from <= text.size() ? from : std::string_view::npos;
  for (size_t pos = from; pos + wanted.size() <= text.size(); pos++) {
    pos = text.find(wanted.front(), pos);
    if (pos == std::string_view::npos || pos + wanted.size() > text.size()) break;
    if (StandsAt(text, pos, wanted)) {
      SpendOnReading(pos - from);
      return pos;
    }
  }
  SpendOnReading(text.size() - std::min(from, text.size()));
  return std::string_view::npos;
}

size_t FindLastText(std::string_view text, std::string_view wanted) {
  if (wanted.empty()) return text.size();
  for (size_t end = text.size(); end >= wanted.size(); end--) {
    const size_t last = text.substr(0, end).rfind(wanted.back());
    if (last == std::string_view::npos || last + 1 < wanted.size()) break;
    end = last + 1;
    if (StandsAt(text, end - wanted.size(), wanted)) {
      SpendOnReading(text.size() - end);
      return end - wanted.size();
    }
  }
  SpendOnReading(text.size());
  return std::string_view::npos;
}

MixedText ReplaceText(const MixedView& mixed, std::string_view old, const MixedView& by, int64_t most) {
  const std::string_view text = mixed.text;
  MixedText out;
  size_t at = 0;
  const auto add = [&](size_t end) {  // the text up to there, and the other after it
    Spend(1);
    AppendText(out, mixed.Part(text.substr(at, end - at)));
    AppendText(out, by);
    at = end;
  };
  if (old.empty()) {
    for (size_t next = 0; most != 0 && next <= text.size(); most--) {
      add(next);
      next = at < text.size() ? at + CharacterSize(text, at) : text.size() + 1;
    }
  } else {
    for (size_t next = 0; most != 0 && (next = FindText(text, old, at)) != std::string_view::npos; most--) {
      add(next);
      at += old.size();
    }
  }
  AppendText(out, mixed.Part(text.substr(at)));
  return out;
}

MixedText PadText(const MixedView& text, int64_t width, const MixedView& fill, bool before, bool behind) {
  const int64_t missing = width - static_cast<int64_t>(CountCharacters(text.text));
  if (missing <= 0) return text.Copy();
  const int64_t left = !before ? 0 : !behind ? missing : missing / 2 + (missing & width & 1);
  EnsureRoom(static_cast<uint64_t>(missing));
  EnsureRoom(static_cast<uint64_t>(missing) * fill.text.size());
  MixedText out;
  const auto add = [&](int64_t times) { AppendText(out, RepeatText(fill, static_cast<size_t>(times))); };
  add(left);
  AppendText(out, text);
  add(missing - left);
  return out;
}

MixedText RepeatText(const MixedView& text, size_t times) {
  const size_t total = times * text.text.size();
  EnsureRoom(total);
  if (text.HasUsers() && !text.IsUsers()) {
    MixedText mixed;
    for (size_t i = 0; i < times; i++) AppendText(mixed, text);
    return mixed;
  }
  SpendOnCopying(total);
  std::string repeated;
  while (repeated.size() < total) {
    if (repeated.empty()) repeated = text.text;
    repeated.append(repeated, 0, total - repeated.size());
  }
  return text.Made(std::move(repeated));
}

std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  SpendOnReading(4 * text.size());
  for (size_t pos = 0, size = 0; pos < text.size();) {
    if (!EndsLine(ReadCharacter(text, pos, size))) {
      pos += size;
      continue;
    }
    const size_t end = pos;
    pos += size;
    if (text[end] == '\r' && pos < text.size() && text[pos] == '\n') pos++;
    Push(lines, text.substr(start, (keep_ends ? pos : end) - start));
    start = pos;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::vector<std::string_view> SplitWords(std::string_view text, int64_t most) {
  std::vector<std::string_view> words;
  SpendOnReading(4 * text.size());
  for (text = Strip(text, Side::kLeft); !text.empty(); text = Strip(text, Side::kLeft)) {
    size_t end = 0;
    for (size_t size = 0; end < text.size() && !IsSpace(ReadCharacter(text, end, size)); end += size) {
    }
    if (most >= 0 && static_cast<int64_t>(words.size()) == most) end = text.size();
    Push(words, text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::vector<std::string_view> SplitWordsFromRight(std::string_view text, int64_t most) {
  std::vector<std::string_view> words;
  SpendOnReading(4 * text.size());
  for (text = Strip(text, Side::kRight); !text.empty(); text = Strip(text, Side::kRight)) {
    size_t start = text.size();
    for (size_t begin = 0; start > 0 && !IsSpace(ReadCharacterBefore(text, start, begin)); start = begin) {
    }
    if (most >= 0 && static_cast<int64_t>(words.size()) == most) start = 0;
    Push(words, text.substr(start));
    text = text.substr(0, start);
  }
  std::reverse(words.begin(), words.end());
  return words;
}

namespace {

std::string EscapedHtml(std::string_view text) {
  std::string out;
  SpendOnReading(4 * text.size());
  EnsureRoom(6 * text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

MixedText EscapeHtml(const MixedView& text) {
  MixedText out;
  for (const MixedView& part : text.Parts()) AppendText(out, part.Made(EscapedHtml(part.text)));
  return out;
}

}  // namespace jinja
