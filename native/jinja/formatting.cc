#include "formatting.h"

#include <cmath>

#include "numbers.h"
#include "operations.h"
#include "text.h"
#include "utf8.h"

namespace jinja {

namespace {

struct Placeholder {
  bool left = false, zero = false, plus = false, space = false;
  size_t width = 0;
  int precision = -1;
  char type = 0;

  bool IsText() const { return type == 's' || type == 'r'; }
};

std::string FormatNumber(const Placeholder& place, const ValuePtr& value) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (!value->IsNumber()) {
    throw TemplateError(std::string("%") + place.type + " format: a number is required, not " +
                        value->TypeName());
  }
  const bool is_fixed = place.type == 'f';
  if (std::fabs(value->real) > 9e15 || (!is_fixed && place.precision >= 0)) {
    throw NotImplemented("formatting this number");
  }
  std::string text = is_fixed ? FloatToFixed(value->real, place.precision < 0 ? 6 : place.precision)
                              : std::to_string(static_cast<int64_t>(value->real));
  if (text[0] != '-' && (place.plus || place.space)) text.insert(0, 1, place.plus ? '+' : ' ');
  return text;
}

MixedText FormatValue(const Placeholder& place, const ValuePtr& value) {
  MixedText text;
  if (place.IsText()) {
    if (place.precision >= 0) throw NotImplemented("a precision for text");
    text = place.type == 's' ? value->ToText() : value->ToRepr();
  } else if (place.type == 'd' || place.type == 'i' || place.type == 'f') {
    text = MixedText(FormatNumber(place, value));
  } else {
    throw NotImplemented(std::string("the format %") + place.type);
  }
  const size_t length = CountCharacters(text.text);
  if (length >= place.width) return text;
  const auto width = static_cast<int64_t>(place.width);
  if (place.left || !place.zero || place.IsText()) {
    return PadText(text, width, MixedText(" "), !place.left, place.left);
  }
  const bool has_sign = text.text[0] == '-' || text.text[0] == '+' || text.text[0] == ' ';
  return MixedText(text.text.insert(has_sign ? 1 : 0, place.width - length, '0'));
}

// Reads what follows a %.
class PercentReader {
 public:
  PercentReader(const std::string& text, size_t pos) : text_(text), pos_(pos) {}

  // The key of %(key)s; false if there is none.
  bool ReadKey(std::string& key) {
    if (Here() != '(') return false;
    const size_t end = text_.find(')', pos_);
    if (end == std::string::npos) throw TemplateError("incomplete format key");
    key = text_.substr(pos_ + 1, end - pos_ - 1);
    pos_ = end + 1;
    return true;
  }

  Placeholder ReadPlaceholder() {
    Placeholder place;
    for (;; pos_++) {
      if (Here() == '-') {
        place.left = true;
      } else if (Here() == '0') {
        place.zero = true;
      } else if (Here() == '+') {
        place.plus = true;
      } else if (Here() == ' ') {
        place.space = true;
      } else {
        break;
      }
    }
    place.width = ReadNumber();
    if (Here() == '.') {
      pos_++;
      place.precision = static_cast<int>(ReadNumber());
    }
    place.type = Here();
    return place;
  }

  size_t pos() const { return pos_; }

 private:
  char Here() const {
    if (pos_ >= text_.size()) throw TemplateError("incomplete format");
    return text_[pos_];
  }

  size_t ReadNumber() {
    size_t number = 0;
    for (; Here() >= '0' && Here() <= '9'; pos_++) {
      number = number * 10 + static_cast<size_t>(Here() - '0');
      if (number > 100000) throw NotImplemented("a format that wide");
    }
    return number;
  }

  const std::string& text_;
  size_t pos_;
};

ValuePtr FindArgument(const Arguments& arguments, const std::string& name) {
  Spend(arguments.all.size() / 8);
  for (const ValuePtr& argument : arguments.all) {
    const auto* keyword = As<KeywordValue>(argument);
    if (keyword != nullptr && keyword->name == name) return keyword->value;
  }
  return nullptr;
}

}  // namespace

MixedText FormatPercent(const StringValue& format, const ValuePtr& arguments) {
  if (format.is_markup) throw NotImplemented("formatting of markup");
  const std::string& text = format.text;
  const bool is_tuple = Is<TupleValue>(arguments);
  const size_t count = is_tuple ? arguments->items.size() : 1;
  size_t next = 0;
  MixedText out;
  SpendOnReading(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t percent = std::min(text.find('%', at), text.size());
    AppendText(out, format.mixed().Part(std::string_view(text).substr(at, percent - at)));
    at = percent;
    if (at == text.size()) break;
    PercentReader reader(text, at + 1);
    std::string key;
    const bool has_key = reader.ReadKey(key);
    if (has_key && !arguments->IsMapping()) throw TemplateError("format requires a mapping");
    const Placeholder place = reader.ReadPlaceholder();
    at = reader.pos() + 1;
    if (place.type == '%') {
      AppendText(out, format.mixed().Part(std::string_view(text).substr(at - 1, 1)));
      continue;
    }
    ValuePtr value;
    if (has_key) {
      value = static_cast<DictValue&>(*arguments).Find(MakeText(key));
      if (!value) throw TemplateError("there is no '" + Shortened(key) + "'");
    } else {
      if (next == count) throw TemplateError("not enough arguments for format string");
      value = is_tuple ? arguments->items[next] : arguments;
      next++;
    }
    AppendText(out, FormatValue(place, value));
  }
  // Arguments that could be a mapping need not be used.
  const bool may_remain = !is_tuple && (arguments->IsMapping() || arguments->IsUndefined() ||
                                        (arguments->kinds & (kList | kRange)) != 0);
  if (next < count && !may_remain) {
    throw TemplateError("not all arguments converted during string formatting");
  }
  return out;
}

MixedText FormatBraces(const Arguments& arguments) {
  const MixedView format = As<StringValue>(arguments.all[0])->mixed();
  const std::string& text = arguments.all[0]->text;
  std::vector<ValuePtr> places;
  for (size_t i = 1; i < arguments.all.size(); i++) {
    if (!Is<KeywordValue>(arguments.all[i])) places.push_back(arguments.all[i]);
  }
  size_t next = 0;
  bool by_number = false;
  MixedText out;
  SpendOnReading(4 * text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t brace = std::min(text.find_first_of("{}", at), text.size());
    AppendText(out, format.Part(std::string_view(text).substr(at, brace - at)));
    at = brace;
    if (at == text.size()) break;
    if (at + 1 < text.size() && text[at + 1] == text[at]) {
      AppendText(out, format.Part(std::string_view(text).substr(at, 1)));
      at += 2;
      continue;
    }
    const size_t end = text.find('}', at);
    if (text[at] == '}' || end == std::string::npos) {
      throw TemplateError("Single brace encountered in format string");
    }
    const std::string name = text.substr(at + 1, end - at - 1);
    if (name.find_first_of(".[!:{") != std::string::npos || name.size() > 9) {
      throw NotImplemented("format() with more than names and numbers");
    }
    const bool is_number = !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
    ValuePtr value;
    if (name.empty() || is_number) {
      if (next > 0 && by_number != is_number) {
        throw TemplateError("cannot switch between manual and automatic field numbering");
      }
      by_number = is_number;
      const size_t place = is_number ? static_cast<size_t>(std::stoi(name)) : next;
      next++;
      if (place < places.size()) value = places[place];
    } else {
      value = FindArgument(arguments, name);
    }
    if (!value) throw TemplateError("format() has no argument '" + name + "'");
    AppendText(out, value->ToText());
    at = end + 1;
  }
  return out;
}

}  // namespace jinja
