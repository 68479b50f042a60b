#include "string-scan.h"

#include <cmath>
#include <string>

#include "args.h"

namespace gpt4all {

namespace {

constexpr double kMaxExact = 9007199254740992;  // 2^53: numbers of JavaScript are exact up to here

uint64_t Count(const Napi::Value& value, const char* name) {
  const double number = Number(value, name, 0, kMaxExact);
  if (number != std::floor(number)) throw BadArgument(value.Env(), name, "an integer");
  return static_cast<uint64_t>(number);
}

}  // namespace

Napi::Function StringScan::Init(Napi::Env env) {
  return DefineClass(env, "StringScan", {InstanceMethod<&StringScan::Scan>("scan")});
}

StringScan::StringScan(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StringScan>(info) {
  const std::string rule = Text(info[0], "rule");
  if (rule != "distinct" && rule != "pairs")
    throw BadArgument(info.Env(), "rule", "\"distinct\" or \"pairs\"");
  rules_.emplace(rule == "pairs" ? StringRules::Rule::kPairs : StringRules::Rule::kDistinct,
                 Count(info[1], "count"), Count(info[2], "maxBytes"));
}

Napi::Value StringScan::Scan(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Uint8Array window = Bytes(info[0], "window");
  const StringRules::Scanned scanned = rules_->Scan(window.Data(), window.ByteLength());
  Napi::Object result = Napi::Object::New(env);
  result.Set("index", static_cast<double>(rules_->index()));
  result.Set("bytes", static_cast<double>(scanned.bytes));
  if (scanned.problem != nullptr) result.Set("problem", scanned.problem);
  return result;
}

}  // namespace gpt4all
