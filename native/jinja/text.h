// What Python's str methods do with texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mixed-text.h"

namespace jinja {

enum class Side { kLeft, kRight, kBoth };
std::string_view Strip(std::string_view text, Side side);
std::string_view Strip(std::string_view text, Side side, std::string_view characters);

size_t FindText(std::string_view text, std::string_view wanted, size_t from = 0);
size_t FindLastText(std::string_view text, std::string_view wanted);

// The text with `old` replaced by `by`, at most `most` times unless that is negative.
MixedText ReplaceText(const MixedView& text, std::string_view old, const MixedView& by, int64_t most);

// The text padded with the character `fill`, before or after it or both, to `width` characters.
MixedText PadText(const MixedView& text, int64_t width, const MixedView& fill, bool before, bool behind);

MixedText RepeatText(const MixedView& text, size_t times);

// Python's splitlines(): more characters than \n end a line.
std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends);

// The pieces between white space; at most `most` cuts unless that is negative.
std::vector<std::string_view> SplitWords(std::string_view text, int64_t most);
std::vector<std::string_view> SplitWordsFromRight(std::string_view text, int64_t most);

MixedText EscapeHtml(const MixedView& text);

}  // namespace jinja
