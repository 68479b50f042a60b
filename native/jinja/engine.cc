#include "engine.h"

#include "common/json.h"
#include "limits.h"
#include "values.h"

namespace jinja {

namespace {

ValuePtr FromJson(const common_json& json) {
  const DepthGuard guard;
  if (json.is_null()) return Make<NoneValue>();
  if (json.is_boolean()) return Make<BoolValue>(json.get<bool>());
  if (json.is_number_integer()) return Make<IntValue>(json.get<int64_t>());
  if (json.is_number_float()) return Make<FloatValue>(json.get<double>());
  if (json.is_string()) return Make<StringValue>(json.get<std::string>());
  if (json.is_array()) {
    std::vector<ValuePtr> items;
    for (const auto& item : json) items.push_back(FromJson(item));
    return Make<ListValue>(std::move(items));
  }
  const auto dict = Make<DictValue>();
  for (auto at = json.begin(); at != json.end(); ++at) dict->Insert(at.key(), FromJson(at.value()));
  return dict;
}

}  // namespace

void SetVariables(Context& context, const common_json& object) {
  for (auto at = object.begin(); at != object.end(); ++at) context.Set(at.key(), FromJson(at.value()));
}

std::string Render(const Program& program, Context& context) {
  Writing writing;
  Context scope(context, program.hidden);
  RenderBody(program.body, scope, writing.out);
  return writing.Take();
}

}  // namespace jinja
