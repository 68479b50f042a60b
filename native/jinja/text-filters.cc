#include <algorithm>

#include "characters.h"
#include "context.h"
#include "filters.h"
#include "formatting.h"
#include "json.h"
#include "operations.h"
#include "text.h"
#include "utf8.h"

namespace jinja {

namespace {

bool IsMarkup(const ValuePtr& value) {
  const auto* text = As<StringValue>(value);
  return text != nullptr && text->is_markup;
}

// A filter that makes a text of its input's text.
template <typename Change>
Function Changes(Change change, bool keeps_markup) {
  return [change, keeps_markup](const Arguments& arguments) -> ValuePtr {
    const ValuePtr input = arguments.Bind({"s"})[0];
    const MixedText text = input->ToText();
    return Make<StringValue>(MixedView(text).Made(change(text.text)), keeps_markup && IsMarkup(input));
  };
}

// Words begin after white space, a hyphen or an opening bracket.
std::string TitleWords(const std::string& text) {
  std::string out, word;
  SpendOnReading(32 * text.size());
  const auto end_word = [&] {
    if (word.empty()) return;
    const size_t size = CharacterSize(word, 0);
    out += ToUpper(word.substr(0, size)) + ToLower(word.substr(size));
    word.clear();
  };
  for (const char32_t code : DecodeUtf8(text)) {
    const bool is_between = IsSpace(code) || std::u32string_view(U"-({[<").find(code) != std::string::npos;
    if (is_between) end_word();
    AppendUtf8(is_between ? out : word, code);
  }
  end_word();
  return out;
}

ValuePtr Trim(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "chars"});
  const MixedText text = given[0]->ToText();
  if (IsGiven(given[1]) && !Is<StringValue>(given[1])) throw TemplateError("strip arg must be None or str");
  const std::string_view stripped =
      IsGiven(given[1]) ? Strip(text.text, Side::kBoth, given[1]->text) : Strip(text.text, Side::kBoth);
  return Make<StringValue>(MixedView(text).Part(stripped).Copy(), IsMarkup(given[0]));
}

ValuePtr Replace(const Arguments& arguments) {
  const auto given = arguments.Bind({"s", "old", "new", "count"}, 3);
  const int64_t most = IsGiven(given[3]) ? ToIndex(given[3]) : -1;
  return Make<StringValue>(
      ReplaceText(given[0]->ToText(), given[1]->ToText().text, given[2]->ToText(), most));
}

// `width` spaces, or the text that is given instead.
MixedText Margin(const ValuePtr& width) {
  if (Is<StringValue>(width)) return width->ToText();
  return PadText(MixedText(), ToIndex(width), MixedText(" "), false, true);
}

// The line feed between two lines, in the place of the original line end.
MixedText LineEnd(const MixedText& text, std::string_view before, std::string_view behind) {
  const char* const begin = before.data() + before.size();
  const auto size = static_cast<size_t>(behind.data() - begin);
  return MixedView(text).Part({begin, size}).Made("\n");
}

ValuePtr Indent(const Arguments& arguments) {
  const auto given = arguments.Bind({"s", "width", "first", "blank"});
  if (!Is<StringValue>(given[0]) || IsMarkup(given[0])) {
    throw NotImplemented(std::string("the filter indent with ") + given[0]->TypeName());
  }
  const MixedText margin = given[1] ? Margin(given[1]) : MixedText("    ");
  MixedText text = given[0]->ToText(), out;
  AppendText(text, "\n");
  if (IsTrue(given[2])) AppendText(out, margin);
  const std::vector<std::string_view> lines = SplitLines(text.text, false);
  for (size_t i = 0; i < lines.size(); i++) {
    if (i > 0) AppendText(out, LineEnd(text, lines[i - 1], lines[i]));
    if (i > 0 && (!lines[i].empty() || IsTrue(given[3]))) AppendText(out, margin);
    AppendText(out, MixedView(text).Part(lines[i]));
  }
  return Make<StringValue>(std::move(out));
}

ValuePtr Center(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "width"});
  const int64_t width = given[1] ? ToIndex(given[1]) : 80;
  return Make<StringValue>(PadText(given[0]->ToText(), width, MixedText(" "), true, true),
                           IsMarkup(given[0]));
}

ValuePtr Truncate(const Arguments& arguments) {
  const auto given = arguments.Bind({"s", "length", "killwords", "end", "leeway"});
  if (!Is<StringValue>(given[0])) {
    throw NotImplemented(std::string("the filter truncate with ") + given[0]->TypeName());
  }
  const int64_t length = given[1] ? ToIndex(given[1]) : 255,
                leeway = IsGiven(given[4]) ? ToIndex(given[4]) : 5;
  const std::u32string codes = DecodeUtf8(given[0]->text);
  const std::u32string end = DecodeUtf8(given[3] ? given[3]->ToText().text : "...");
  if (length < static_cast<int64_t>(end.size()) || leeway < 0) {
    throw TemplateError("truncate: expected a length of at least the end's, and a leeway of at least 0");
  }
  if (static_cast<int64_t>(codes.size()) - leeway <= length) return given[0];
  std::u32string kept = codes.substr(0, static_cast<size_t>(length) - end.size());
  if (!IsTrue(given[2])) kept = kept.substr(0, kept.rfind(U' '));
  const MixedView mixed = As<StringValue>(given[0])->mixed();
  MixedText out = mixed.Part(mixed.text.substr(0, EncodeUtf8(kept).size())).Copy();
  if (given[3]) {
    AppendText(out, given[3]->ToText());
  } else {
    AppendText(out, "...");
  }
  return Make<StringValue>(std::move(out));
}

ValuePtr CountWords(const Arguments& arguments) {
  const std::string text = arguments.Bind({"s"})[0]->ToText().text;
  if (!IsAscii(text)) throw NotImplemented("the filter wordcount beyond ASCII");
  int64_t count = 0;
  bool within = false;
  SpendOnReading(4 * text.size());
  for (const char c : text) {
    const bool is_word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (is_word && !within) count++;
    within = is_word;
  }
  return Make<IntValue>(count);
}

ValuePtr Format(const Arguments& arguments) {
  if (arguments.all.empty()) throw TemplateError("format() misses an argument");
  std::vector<ValuePtr> places;
  const auto names = Make<DictValue>();
  for (size_t i = 1; i < arguments.all.size(); i++) {
    const ValuePtr& argument = arguments.all[i];
    if (const auto* keyword = As<KeywordValue>(argument)) {
      names->Insert(keyword->name, keyword->value);
    } else {
      places.push_back(argument);
    }
  }
  if (!places.empty() && names->IsTrue()) {
    throw TemplateError("can't handle positional and keyword arguments at the same time");
  }
  const ValuePtr filled = names->IsTrue() ? ValuePtr(names) : Make<TupleValue>(std::move(places));
  const StringValue format(arguments.all[0]->ToText(), IsMarkup(arguments.all[0]));
  return Make<StringValue>(FormatPercent(format, filled));
}

ValuePtr ToString(const Arguments& arguments) {
  const ValuePtr input = arguments.Bind({"s"})[0];
  if (arguments.context.collects_stats()) input->MarkAllUsed();
  return Is<StringValue>(input) ? input : Make<StringValue>(input->ToText());
}

ValuePtr Escape(const Arguments& arguments) {
  const ValuePtr input = arguments.Bind({"s"})[0];
  return IsMarkup(input) ? input : Make<StringValue>(EscapeHtml(input->ToText()), true);
}

ValuePtr WriteJson(const Arguments& arguments) {
  const auto given = arguments.Bind({"x", "ensure_ascii", "indent", "separators", "sort_keys"});
  if (arguments.context.collects_stats()) given[0]->MarkAllUsed();
  JsonFormat format;
  format.ensure_ascii = IsTrue(given[1]);
  format.sort_keys = IsTrue(given[4]);
  if (IsGiven(given[2])) {
    format.multiline = true;
    format.item_separator = MixedText(",");
    format.indent = Margin(given[2]);
  }
  if (IsGiven(given[3])) {
    const std::vector<ValuePtr> separators = Iterate(given[3]);
    if (separators.size() != 2 || !Is<StringValue>(separators[0]) || !Is<StringValue>(separators[1])) {
      throw TemplateError("tojson: separators must be two strings");
    }
    format.item_separator = separators[0]->ToText();
    format.key_separator = separators[1]->ToText();
  }
  return Make<StringValue>(ToJson(given[0], format));
}

}  // namespace

Functions TextFilters() {
  return {
      {"capitalize", Changes(ToCapitalized, true)},
      {"center", Center},
      {"e", Escape},
      {"escape", Escape},
      {"forceescape",
       [](const Arguments& arguments) -> ValuePtr {
         return Make<StringValue>(EscapeHtml(arguments.Bind({"value"})[0]->ToText()), true);
       }},
      {"format", Format},
      {"indent", Indent},
      {"lower", Changes(ToLower, true)},
      {"replace", Replace},
      {"safe",
       [](const Arguments& arguments) -> ValuePtr {
         return Make<StringValue>(arguments.Bind({"value"})[0]->ToText(), true);
       }},
      {"string", ToString},
      {"title", Changes(TitleWords, false)},
      {"tojson", WriteJson},
      {"trim", Trim},
      {"truncate", Truncate},
      {"upper", Changes(ToUpper, true)},
      {"wordcount", CountWords},
  };
}

}  // namespace jinja
