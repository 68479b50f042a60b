#include "reply-grammar.h"

#include <utility>

#include "failure.h"
#include "jinja/limits.h"
#include "llama-common.h"

namespace gpt4all {

struct ReplyGrammar::Params : common_chat_parser_params {
  explicit Params(const common_chat_params& rendered) : common_chat_parser_params(rendered) {
    reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
    parse_tool_calls = false;
    if (!rendered.parser.empty()) parser.load(rendered.parser);
  }
};

ReplyGrammar::ReplyGrammar(const common_chat_params& rendered)
    : params_(std::make_unique<const Params>(rendered)) {
}

ReplyGrammar::~ReplyGrammar() = default;

bool ReplyGrammar::TakesAllAsContent() const {
  const std::string text = "Some text.";
  try {
    return Parse(text, false).content == text;
  } catch (const Failure&) {
    return false;
  }
}

ParsedReply ReplyGrammar::Parse(const std::string& output, bool partial) const {
  jinja::Limits limits;
  limits.steps = 1'000'000 + 4 * output.size();
  limits.stack = 256 << 10;  // to ask how much there is takes longer than most answers
  const jinja::Budget budget(std::move(limits));
  try {
    const common_chat_msg message = common_chat_parse(output, partial, *params_);
    return {message.reasoning_content, message.content};
  } catch (const std::exception& error) {
    throw Failure("ERR_TEMPLATE", error.what());
  }
}

}  // namespace gpt4all
