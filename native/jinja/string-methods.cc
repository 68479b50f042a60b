#include "string-methods.h"

#include <algorithm>

#include "characters.h"
#include "formatting.h"
#include "methods.h"
#include "operations.h"
#include "text.h"
#include "utf8.h"

namespace jinja {

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

namespace {

ValuePtr SameKind(const ValuePtr& like, MixedText text) {
  return Make<StringValue>(std::move(text), As<StringValue>(like)->is_markup);
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
  static const Functions methods = [] {
    Functions all = SearchingMethods();
    all.insert({
        {"capitalize", Changes(ToCapitalized)},
        {"center", Pads(true, true)},
        {"format", Format},
        {"isalnum", TestsAll([](char32_t code) { return IsLetter(code) || IsDecimal(code); }, true)},
        {"isalpha", TestsAll(IsLetter, true)},
        {"isascii", Tests(IsAscii)},
        {"isdecimal", TestsAll(IsDecimal, false)},
        {"isdigit", TestsAll(IsDigit, false)},
        {"islower", Tests(IsLower)},
        {"isnumeric", TestsAll(IsDecimal, true)},
        {"isprintable", Tests(ArePrintable)},
        {"isspace", TestsAll(IsSpace, false)},
        {"isupper", Tests(IsUpper)},
        {"ljust", Pads(false, true)},
        {"lower", Changes(ToLower)},
        {"lstrip", Strips(Side::kLeft)},
        {"removeprefix", Removes(true)},
        {"removesuffix", Removes(false)},
        {"rjust", Pads(true, false)},
        {"rstrip", Strips(Side::kRight)},
        {"strip", Strips(Side::kBoth)},
        {"swapcase", Changes(ToSwapped)},
        {"title", Changes(ToTitle)},
        {"upper", Changes(ToUpper)},
        {"zfill", FillWithZeros},
    });
    for (const char* name : {"casefold", "encode", "expandtabs", "format_map", "isidentifier", "istitle",
                             "maketrans", "translate"}) {
      all[name] = RefuseToCall;
    }
    return all;
  }();
  return methods;
}

}  // namespace jinja
