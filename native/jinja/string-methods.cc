#include <algorithm>

#include "characters.h"
#include "formatting.h"
#include "methods.h"
#include "operations.h"
#include "text.h"
#include "utf8.h"

namespace jinja {

namespace {

MixedView MixedOf(const ValuePtr& value) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (!Is<StringValue>(value)) throw TemplateError(std::string("expected str, got ") + value->TypeName());
  return As<StringValue>(value)->mixed();
}

std::string_view TextOf(const ValuePtr& value) {
  return MixedOf(value).text;
}

void RefuseMarkup(const ValuePtr& value) {
  if (As<StringValue>(value)->is_markup) throw NotImplemented("this with markup");
}

ValuePtr SameKind(const ValuePtr& like, MixedText text) {
  return Make<StringValue>(std::move(text), As<StringValue>(like)->is_markup);
}

// A list of copies of these `pieces` of `whole`.
ValuePtr ToList(const ValuePtr& whole, const std::vector<std::string_view>& pieces) {
  std::vector<ValuePtr> items;
  for (const std::string_view piece : pieces) {
    items.push_back(Make<StringValue>(MixedOf(whole).Part(piece).Copy()));
  }
  return Make<ListValue>(std::move(items));
}

template <typename Change>
Function Changes(Change change) {
  return [change](const Arguments& arguments) {
    const ValuePtr self = arguments.Bind({"/", "self"})[0];
    return SameKind(self, MixedOf(self).Made(change(self->text)));
  };
}

// Whether the text is not empty and `test` holds for each of its characters.
template <typename Test>
Function TestsAll(Test test, bool only_ascii) {
  return [test, only_ascii](const Arguments& arguments) -> ValuePtr {
    const std::u32string codes = DecodeUtf8(arguments.Bind({"/", "self"})[0]->text);
    if (only_ascii && std::any_of(codes.begin(), codes.end(), [](char32_t code) { return code >= 0x80; })) {
      throw NotImplemented(arguments.name + "() beyond ASCII");
    }
    return Make<BoolValue>(!codes.empty() && std::all_of(codes.begin(), codes.end(), test));
  };
}

bool IsLetter(char32_t code) {
  return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
}

template <typename Test>
Function Tests(Test test) {
  return [test](const Arguments& arguments) -> ValuePtr {
    return Make<BoolValue>(test(arguments.Bind({"/", "self"})[0]->text));
  };
}

bool ArePrintable(const std::string& text) {
  const std::u32string codes = DecodeUtf8(text);
  return std::all_of(codes.begin(), codes.end(), IsPrintable);
}

Function Strips(Side side) {
  return [side](const Arguments& arguments) {
    const auto given = arguments.Bind({"/", "self", "chars"});
    const MixedView mixed = MixedOf(given[0]);
    const std::string_view left =
        IsGiven(given[1]) ? Strip(mixed.text, side, TextOf(given[1])) : Strip(mixed.text, side);
    return SameKind(given[0], mixed.Part(left).Copy());
  };
}

Function Removes(bool prefix) {
  return [prefix](const Arguments& arguments) {
    const auto given = arguments.Bind({"/", "self", "affix"}, 2);
    std::string_view text = given[0]->text;
    const std::string_view affix = TextOf(given[1]);
    const size_t at = prefix ? 0 : text.size() - std::min(affix.size(), text.size());
    if (text.substr(at, affix.size()) == affix) {
      text = prefix ? text.substr(affix.size()) : text.substr(0, at);
    }
    return SameKind(given[0], MixedOf(given[0]).Part(text).Copy());
  };
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

//
// width
//

Function Pads(bool before, bool behind) {
  return [before, behind](const Arguments& arguments) -> ValuePtr {
    const auto given = arguments.Bind({"/", "self", "width", "fillchar"}, 2);
    RefuseMarkup(given[0]);
    const MixedText space(" ");
    const MixedView fill = given[2] ? MixedOf(given[2]) : space;
    if (CountCharacters(fill.text) != 1) {
      throw TemplateError("The fill character must be exactly one character long");
    }
    return Make<StringValue>(PadText(MixedOf(given[0]), ToIndex(given[1]), fill, before, behind));
  };
}

ValuePtr FillWithZeros(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "self", "width"}, 2);
  RefuseMarkup(given[0]);
  const std::string& text = given[0]->text;
  const size_t sign = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  const int64_t width = ToIndex(given[1]) - static_cast<int64_t>(sign);
  const MixedView mixed = MixedOf(given[0]);
  MixedText out = mixed.Part(mixed.text.substr(0, sign)).Copy();
  AppendText(out, PadText(mixed.Part(mixed.text.substr(sign)), width, MixedText("0"), true, false));
  return Make<StringValue>(std::move(out));
}

ValuePtr Format(const Arguments& arguments) {
  RefuseMarkup(arguments.all[0]);
  return Make<StringValue>(FormatBraces(arguments));
}

}  // namespace

const Functions& StringMethods() {
  static const Functions methods = {
      {"capitalize", Changes(ToCapitalized)},
      {"casefold", RefuseToCall},
      {"center", Pads(true, true)},
      {"count", Count},
      {"encode", RefuseToCall},
      {"endswith", BeginsOrEnds(true)},
      {"expandtabs", RefuseToCall},
      {"find", Finds(false, false)},
      {"format", Format},
      {"format_map", RefuseToCall},
      {"index", Finds(false, true)},
      {"isalnum", TestsAll([](char32_t code) { return IsLetter(code) || IsDecimal(code); }, true)},
      {"isalpha", TestsAll(IsLetter, true)},
      {"isascii", Tests(IsAscii)},
      {"isdecimal", TestsAll(IsDecimal, false)},
      {"isdigit", TestsAll(IsDigit, false)},
      {"isidentifier", RefuseToCall},
      {"islower", Tests(IsLower)},
      {"isnumeric", TestsAll(IsDecimal, true)},
      {"isprintable", Tests(ArePrintable)},
      {"isspace", TestsAll(IsSpace, false)},
      {"istitle", RefuseToCall},
      {"isupper", Tests(IsUpper)},
      {"join", Join},
      {"ljust", Pads(false, true)},
      {"lower", Changes(ToLower)},
      {"lstrip", Strips(Side::kLeft)},
      {"maketrans", RefuseToCall},
      {"partition", Partitions(false)},
      {"removeprefix", Removes(true)},
      {"removesuffix", Removes(false)},
      {"replace", Replace},
      {"rfind", Finds(true, false)},
      {"rindex", Finds(true, true)},
      {"rjust", Pads(true, false)},
      {"rpartition", Partitions(true)},
      {"rsplit", Splits(true)},
      {"rstrip", Strips(Side::kRight)},
      {"split", Splits(false)},
      {"splitlines", SplitIntoLines},
      {"startswith", BeginsOrEnds(false)},
      {"strip", Strips(Side::kBoth)},
      {"swapcase", Changes(ToSwapped)},
      {"title", Changes(ToTitle)},
      {"translate", RefuseToCall},
      {"upper", Changes(ToUpper)},
      {"zfill", FillWithZeros},
  };
  return methods;
}

}  // namespace jinja
