#include "arguments.h"

#include <algorithm>

namespace jinja {

std::vector<ValuePtr> Arguments::Bind(const std::vector<std::string>& names, size_t required) const {
  const auto slash = std::find(names.begin(), names.end(), "/");
  const bool has_slash = slash != names.end();
  std::vector<std::string> keywords;
  for (auto at = names.begin(); at != names.end(); ++at) {
    if (at != slash) keywords.push_back(has_slash && at < slash ? "" : *at);
  }
  std::vector<ValuePtr> bound(keywords.size());
  size_t next = 0;
  for (const ValuePtr& argument : all) {
    if (const auto* keyword = As<KeywordValue>(argument)) {
      const auto found = std::find(keywords.begin(), keywords.end(), keyword->name);
      const auto place = static_cast<size_t>(found - keywords.begin());
      if (found == keywords.end() || bound[place]) {
        throw TemplateError(name + "() cannot take the keyword argument '" + Shortened(keyword->name) + "'");
      }
      bound[place] = keyword->value;
    } else if (next == keywords.size()) {
      throw TemplateError(name + "() takes at most " + std::to_string(keywords.size()) + " arguments");
    } else {
      bound[next++] = argument;
    }
  }
  for (size_t i = 0; i < required; i++) {
    if (!bound[i]) throw TemplateError(name + "() misses an argument");
  }
  return bound;
}

ValuePtr RefuseToCall(const Arguments& arguments) {
  throw NotImplemented(arguments.name);
}

}  // namespace jinja
