// Methods of strings that look for a text in another, cut one into pieces, or put pieces together.
#include <algorithm>

#include "characters.h"
#include "operations.h"
#include "string-methods.h"
#include "text.h"
#include "utf8.h"

namespace jinja {

namespace {

// A list of copies of these `pieces` of `whole`.
ValuePtr ToList(const ValuePtr& whole, const std::vector<std::string_view>& pieces) {
  std::vector<ValuePtr> items;
  for (const std::string_view piece : pieces) {
    items.push_back(Make<StringValue>(MixedOf(whole).Part(piece).Copy()));
  }
  return Make<ListValue>(std::move(items));
}

//
// splitting and joining
//

Function Splits(bool from_right) {
  return [from_right](const Arguments& arguments) {
    const auto given = arguments.Bind({"self", "sep", "maxsplit"});
    RefuseMarkup(given[0]);
    const int64_t most = given[2] ? ToIndex(given[2]) : -1;
    std::string_view rest = given[0]->text;
    if (!IsGiven(given[1]))
      return ToList(given[0], from_right ? SplitWordsFromRight(rest, most) : SplitWords(rest, most));
    const std::string_view separator = TextOf(given[1]);
    if (separator.empty()) throw TemplateError("empty separator");
    std::vector<std::string_view> pieces;
    while (most < 0 || static_cast<int64_t>(pieces.size()) < most) {
      const size_t at = from_right ? FindLastText(rest, separator) : FindText(rest, separator);
      if (at == std::string_view::npos) break;
      const std::string_view before = rest.substr(0, at), behind = rest.substr(at + separator.size());
      Push(pieces, from_right ? behind : before);
      rest = from_right ? before : behind;
    }
    pieces.push_back(rest);
    if (from_right) std::reverse(pieces.begin(), pieces.end());
    return ToList(given[0], pieces);
  };
}

Function Partitions(bool from_right) {
  return [from_right](const Arguments& arguments) -> ValuePtr {
    const auto given = arguments.Bind({"/", "self", "sep"}, 2);
    RefuseMarkup(given[0]);
    const std::string_view text = given[0]->text, separator = TextOf(given[1]);
    if (separator.empty()) throw TemplateError("empty separator");
    const size_t at = from_right ? FindLastText(text, separator) : FindText(text, separator);
    std::vector<std::string_view> pieces = {text, "", ""};
    if (at != std::string::npos) {
      pieces = {text.substr(0, at), text.substr(at, separator.size()), text.substr(at + separator.size())};
    } else if (from_right) {
      pieces = {"", "", text};
    }
    return Make<TupleValue>(ToList(given[0], pieces)->items);
  };
}

ValuePtr SplitIntoLines(const Arguments& arguments) {
  const auto given = arguments.Bind({"self", "keepends"});
  RefuseMarkup(given[0]);
  return ToList(given[0], SplitLines(given[0]->text, IsTrue(given[1])));
}

ValuePtr Join(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "iterable"}, 2);
  RefuseMarkup(given[0]);
  MixedText out;
  const std::vector<ValuePtr> items = Iterate(given[1]);
  for (size_t i = 0; i < items.size(); i++) {
    if (i > 0) AppendText(out, MixedOf(given[0]));
    AppendText(out, MixedOf(items[i]));
  }
  return Make<StringValue>(std::move(out));
}

//
// looking for text
//

// The range of bytes that a method such as find searches; false if it begins beyond the end.
bool FindBounds(std::string_view text, const ValuePtr& from, const ValuePtr& to, size_t& begin, size_t& end) {
  SpendOnReading(4 * text.size());
  const auto size = static_cast<int64_t>(CountCharacters(text));
  const auto place = [&](const ValuePtr& value, int64_t otherwise) {
    if (!IsGiven(value)) return otherwise;
    const int64_t index = ToIndex(value);
    return index < 0 ? std::max<int64_t>(index + size, 0) : index;
  };
  const int64_t first = place(from, 0), last = std::min(place(to, size), size);
  if (first > last) return false;
  begin = end = 0;
  for (int64_t i = 0; i < last; i++) {
    if (i == first) begin = end;
    end += CharacterSize(text, end);
  }
  if (first == last) begin = end;
  return true;
}

Function Finds(bool from_right, bool must_be_there) {
  return [from_right, must_be_there](const Arguments& arguments) -> ValuePtr {
    const auto given = arguments.Bind({"/", "self", "sub", "start", "end"}, 2);
    const std::string_view text = given[0]->text, wanted = TextOf(given[1]);
    size_t begin = 0, end = 0, at = std::string::npos;
    if (FindBounds(text, given[2], given[3], begin, end)) {
      const std::string_view within = text.substr(begin, end - begin);
      at = from_right ? FindLastText(within, wanted) : FindText(within, wanted);
    }
    if (at != std::string::npos) {
      return Make<IntValue>(CountCharacters(text.substr(0, begin + at)));
    }
    if (must_be_there) throw TemplateError("substring not found");
    return Make<IntValue>(-1);
  };
}

Function BeginsOrEnds(bool ends) {
  return [ends](const Arguments& arguments) -> ValuePtr {
    const auto given = arguments.Bind({"/", "self", "affix", "start", "end"}, 2);
    const std::string& text = given[0]->text;
    size_t begin = 0, end = text.size();
    const bool is_there = !(given[2] || given[3]) || FindBounds(text, given[2], given[3], begin, end);
    const auto matches = [&](const ValuePtr& affix) {
      const std::string_view wanted = TextOf(affix);
      if (!is_there || wanted.size() > end - begin) return false;
      SpendOnReading(wanted.size());
      return text.compare(ends ? end - wanted.size() : begin, wanted.size(), wanted) == 0;
    };
    if (!Is<TupleValue>(given[1])) return Make<BoolValue>(matches(given[1]));
    const auto& affixes = given[1]->items;
    return Make<BoolValue>(std::any_of(affixes.begin(), affixes.end(), matches));
  };
}

ValuePtr Count(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "sub", "start", "end"}, 2);
  const std::string_view wanted = TextOf(given[1]);
  std::string_view text = given[0]->text;
  if (given[2] || given[3]) {
    size_t begin = 0, end = 0;
    if (!FindBounds(given[0]->text, given[2], given[3], begin, end)) return Make<IntValue>(0);
    text = text.substr(begin, end - begin);
  }
  if (wanted.empty()) return Make<IntValue>(CountCharacters(text) + 1);
  int64_t count = 0;
  for (size_t at = 0; (at = FindText(text, wanted, at)) != std::string::npos; at += wanted.size()) count++;
  return Make<IntValue>(count);
}

ValuePtr Replace(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "old", "new", "count"}, 3);
  RefuseMarkup(given[0]);
  const int64_t most = given[3] ? ToIndex(given[3]) : -1;
  return Make<StringValue>(ReplaceText(MixedOf(given[0]), TextOf(given[1]), MixedOf(given[2]), most));
}

}  // namespace

Functions SearchingMethods() {
  return {
      {"count", Count},
      {"endswith", BeginsOrEnds(true)},
      {"find", Finds(false, false)},
      {"index", Finds(false, true)},
      {"join", Join},
      {"partition", Partitions(false)},
      {"replace", Replace},
      {"rfind", Finds(true, false)},
      {"rindex", Finds(true, true)},
      {"rpartition", Partitions(true)},
      {"rsplit", Splits(true)},
      {"split", Splits(false)},
      {"splitlines", SplitIntoLines},
      {"startswith", BeginsOrEnds(false)},
  };
}

}  // namespace jinja
