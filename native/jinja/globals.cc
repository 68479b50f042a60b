#include "globals.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "context.h"
#include "operations.h"
#include "text.h"

namespace jinja {

namespace {

ValuePtr RaiseException(const Arguments& arguments) {
  throw TemplateError(Shortened(arguments.Bind({"message"})[0]->ToText().text, 10000));
}

// What dict() and namespace() are made of.
void Fill(DictValue& dict, const Arguments& arguments) {
  for (const ValuePtr& argument : arguments.all) {
    if (const auto* keyword = As<KeywordValue>(argument)) {
      dict.Insert(keyword->MakeKey(), keyword->value);
      continue;
    }
    if (!argument->IsMapping() || !dict.pairs.empty()) {
      throw NotImplemented(arguments.name + "() of " + argument->TypeName());
    }
    for (const Pair& pair : argument->pairs) dict.Insert(pair.first, pair.second);
  }
}

ValuePtr MakeNamespace(const Arguments& arguments) {
  const auto made = Make<NamespaceValue>();
  arguments.context.Keep(made);
  Fill(*made, arguments);
  return made;
}

ValuePtr MakeDict(const Arguments& arguments) {
  const auto made = Make<DictValue>();
  Fill(*made, arguments);
  return made;
}

ValuePtr MakeRange(const Arguments& arguments) {
  const auto given = arguments.Bind({"/", "start", "stop", "step"});
  const int64_t first = ToIndex(given[0]), step = given[2] ? ToIndex(given[2]) : 1;
  return given[1] ? Make<RangeValue>(first, ToIndex(given[1]), step) : Make<RangeValue>(0, first, 1);
}

// A function that returns nothing at first, and the separator from then on.
ValuePtr MakeJoiner(const Arguments& arguments) {
  const ValuePtr between = arguments.Bind({"sep"}, 0)[0];
  const auto was_used = std::make_shared<bool>(false);
  const auto join = [between, was_used](const Arguments& inner) -> ValuePtr {
    inner.Bind({}, 0);
    if (!std::exchange(*was_used, true)) return MakeText("");
    return between ? between : MakeText(", ");
  };
  const auto made = Make<FunctionValue>("joiner", join);
  if (between) made->depth = Value::Deeper(*between);
  return made;
}

// The place after a % and its flags, width, modifier and letter.
size_t DirectiveEnd(const std::string& text, size_t percent) {
  size_t end = std::min(text.find_first_not_of("_-+^#0123456789", percent + 1), text.size());
  if (end < text.size() && (text[end] == 'E' || text[end] == 'O')) end++;
  return std::min(end + 1, text.size());
}

std::string FormatDirective(const std::string& directive, const std::tm& time) {
  Spend(64);
  char written[512];
  // The result may be empty, which looks like a buffer that is too short: so a point is added.
  const size_t length = std::strftime(written, sizeof(written), (directive + ".").c_str(), &time);
  if (length == 0) throw TemplateError("strftime_now: failed to format time");
  return std::string(written, length - 1);
}

ValuePtr FormatTime(const Arguments& arguments) {
  const ValuePtr format = arguments.Bind({"format"})[0];
  if (!Is<StringValue>(format)) throw TemplateError("strftime() argument 1 must be str");
  if (format->text.find('\0') != std::string::npos) throw NotImplemented("a NUL in a format of times");
  const std::time_t time = arguments.context.time();
  std::tm now = {};
#ifdef _WIN32
  localtime_s(&now, &time);
#else
  localtime_r(&time, &now);
#endif
  const std::string& text = format->text;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t percent = std::min(text.find('%', at), text.size());
    AppendText(out, std::string_view(text).substr(at, percent - at));
    at = percent == text.size() ? percent : DirectiveEnd(text, percent);
    if (at > percent) AppendText(out, FormatDirective(text.substr(percent, at - percent), now));
  }
  return Make<StringValue>(As<StringValue>(format)->mixed().Made(std::move(out)));
}

}  // namespace

const Functions& Globals() {
  static const Functions globals = {
      {"cycler", RefuseToCall}, {"dict", MakeDict},           {"joiner", MakeJoiner},
      {"lipsum", RefuseToCall}, {"namespace", MakeNamespace}, {"raise_exception", RaiseException},
      {"range", MakeRange},     {"strftime_now", FormatTime},
  };
  return globals;
}

}  // namespace jinja
