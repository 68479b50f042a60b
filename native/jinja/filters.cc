#include "filters.h"

namespace jinja {

const Functions& Filters() {
  static const Functions filters = [] {
    Functions all;
    for (const auto& some : {TextFilters(), NumberFilters(), SequenceFilters(), ChoosingFilters()}) {
      all.insert(some.begin(), some.end());
    }
    for (const char* name : {"filesizeformat", "pprint", "random", "slice", "striptags", "urlencode",
                             "urlize", "wordwrap", "xmlattr"}) {
      all[name] = RefuseToCall;
    }
    return all;
  }();
  return filters;
}

}  // namespace jinja
