// The names by which llama.cpp's common/ calls its template engine, for the one that takes its place
// (vendor/patches).
#pragma once

// What llama.cpp's sources use from the headers that this one replaces.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine.h"
#include "values.h"

// llama.cpp's log of what the engine does.
#define JJ_DEBUG(...) ((void)0)

namespace jinja {

using value = ValuePtr;
using value_bool = BoolValue;
using program = Program;
using limit_exception = LimitExceeded;

struct value_string : StringValue {
  explicit value_string(std::string text) : StringValue(MixedText(std::move(text))) {}
};

template <typename T, typename... Arguments>
value mk_val(Arguments&&... arguments) {
  return Make<T>(std::forward<Arguments>(arguments)...);
}

struct lexer_result {
  std::string given, source;
};

struct lexer {
  lexer_result tokenize(const std::string& source) const { return {source, NormalizeNewlines(source)}; }
};

inline program parse_from_tokens(const lexer_result& result) {
  return Parse(result.given);
}

struct context : Context {
  explicit context(const std::string& = "") {}
  bool is_get_stats = false;

  value get_val(const std::string& name) const { return Get(name); }
  void set_val(const std::string& name, const value& given) { Set(name, given); }
};

inline void global_from_json(context& ctx, const common_json& object, bool mark_input) {
  SetVariables(ctx, object, mark_input);
}

struct rendered_text {
  std::string text;
  const rendered_text* operator->() const { return this; }
  const rendered_text& as_string() const { return *this; }
  const std::string& str() const { return text; }
};

struct runtime {
  explicit runtime(context& ctx) : ctx(ctx) {}
  context& ctx;

  rendered_text execute(const program& prog) {
    if (ctx.is_get_stats) ctx.collect_stats();
    return {Render(prog, ctx)};
  }
  static rendered_text gather_string_parts(const rendered_text& text) { return text; }
};

}  // namespace jinja
