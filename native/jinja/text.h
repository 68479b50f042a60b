// What Python's str methods do with texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jinja {

enum class Side { kLeft, kRight, kBoth };
std::string_view Strip(std::string_view text, Side side);
std::string_view Strip(std::string_view text, Side side, std::string_view characters);

size_t FindText(std::string_view text, std::string_view wanted, size_t from = 0);
size_t FindLastText(std::string_view text, std::string_view wanted);

// The text with `by` for each `old`, at most `most` times unless that is negative.
std::string ReplaceText(std::string_view text, std::string_view old, std::string_view by, int64_t most);

// The text with `fill`, a character, before or behind it, or both, so that it has `width` characters.
std::string PadText(std::string_view text, int64_t width, std::string_view fill, bool before, bool behind);

// Lines end with more than \n.
std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends);

// What is between white space; at most `most` cuts unless that is negative.
std::vector<std::string_view> SplitWords(std::string_view text, int64_t most);
std::vector<std::string_view> SplitWordsFromRight(std::string_view text, int64_t most);

std::string EscapeHtml(std::string_view text);

// Adds to a text that grows.
void AppendText(std::string& out, std::string_view piece);

}  // namespace jinja
