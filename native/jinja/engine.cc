#include "engine.h"

#include <set>

#include "common/json.h"
#include "limits.h"
#include "marking.h"
#include "values.h"

namespace jinja {

namespace {

// The names of roles, which templates build tags with.
bool IsRole(const std::string& text) {
  static const std::set<std::string> roles = {"system", "developer", "user", "assistant", "tool"};
  return roles.count(text) > 0;
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
    const bool is_role = key == "role" && at.value().is_string() && IsRole(at.value().get<std::string>());
    dict->Insert(Make<StringValue>(ReadText(key, by_users)), FromJson(at.value(), by_users && !is_role));
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
  return marking == nullptr ? std::move(rendered.text) : marking->mark(std::move(rendered));
}

}  // namespace jinja
