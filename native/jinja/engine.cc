#include "engine.h"

#include <set>

#include "common/json.h"
#include "limits.h"
#include "marking.h"
#include "values.h"

namespace jinja {

namespace {

// What llama.cpp itself writes into messages: keys, and the names of roles and of types of contents, of which
// templates build tags.
bool IsLlamas(const std::string& key, const common_json& value) {
  static const std::set<std::string> words = {"system", "developer", "user", "assistant",
                                              "tool",   "function",  "text"};
  return (key == "role" || key == "type") && value.is_string() && words.count(value.get<std::string>()) > 0;
}

bool IsLlamas(const std::string& key) {
  static const std::set<std::string> keys = {
      "role",     "content",   "type", "text", "reasoning_content", "tool_calls",
      "function", "arguments", "name", "id",   "thinking"};
  return keys.count(key) > 0;
}

MixedText ReadText(std::string text, bool by_users) {
  UserBytes users = by_users ? UserBytes::All(text.size()) : UserBytes();
  return {std::move(text), std::move(users)};
}

ValuePtr FromJson(const common_json& json, bool by_users) {
  const DepthGuard guard;
  if (json.is_null()) return Make<NoneValue>();
  if (json.is_boolean()) return Make<BoolValue>(json.get<bool>());
  if (json.is_number_integer()) return Make<IntValue>(json.get<int64_t>());
  if (json.is_number_float()) return Make<FloatValue>(json.get<double>());
  if (json.is_string()) return Make<StringValue>(ReadText(json.get<std::string>(), by_users));
  if (json.is_array()) {
    std::vector<ValuePtr> items;
    for (const auto& item : json) items.push_back(FromJson(item, by_users));
    return Make<ListValue>(std::move(items));
  }
  const auto dict = Make<DictValue>();
  for (auto at = json.begin(); at != json.end(); ++at) {
    const std::string key = at.key();
    dict->Insert(Make<StringValue>(ReadText(key, by_users && !IsLlamas(key))),
                 FromJson(at.value(), by_users && !IsLlamas(key, at.value())));
  }
  return dict;
}

}  // namespace

void SetVariables(Context& context, const common_json& object, bool from_users) {
  const bool by_users = from_users && Marking::Current() != nullptr;
  for (auto at = object.begin(); at != object.end(); ++at) {
    const std::string name = at.key();
    const bool is_models = name == "bos_token" || name == "eos_token";
    context.Set(name, FromJson(at.value(), by_users && !is_models));
  }
}

std::string Render(const Program& program, Context& context) {
  Writing writing;
  Context scope(context, program.hidden);
  RenderBody(program.body, scope, writing.out);
  MixedText rendered = writing.Take();
  const Marking* marking = Marking::Current();
  return marking == nullptr ? std::move(rendered.text) : marking->mark(rendered);
}

}  // namespace jinja
