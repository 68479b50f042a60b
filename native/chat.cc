// The only file that includes llama.cpp's common/, but for native/jinja/engine.cc: what it finds out about
// templates, and the parsers that it derives from them.
#include "chat.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"  // theirs: statics in headers
#endif
#include "common/chat.h"
#include "common/log.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>

#include "error.h"
#include "jinja/limits.h"
#include "jinja/parser.h"
#include "stack.h"

namespace gpt4all {

namespace {

std::string Place(const std::string& source, size_t position) {
  const auto begin = source.begin(), at = begin + static_cast<ptrdiff_t>(std::min(position, source.size()));
  const auto line_begin = std::find(std::make_reverse_iterator(at), source.rend(), '\n').base();
  return "line " + std::to_string(std::count(begin, at, '\n') + 1) + ", column " +
         std::to_string(at - line_begin + 1) + ": ";
}

// What one call may cost: less than 2 s, and more for what is written into long conversations.
// docs/decisions.md tells what templates need.
jinja::Limits LimitsFor(size_t input_bytes) {
  const auto input = static_cast<uint64_t>(input_bytes);
  jinja::Limits limits;
  limits.steps = 40'000'000 + 4 * input;
  limits.bytes = (64 << 20) + 32 * input;
  limits.output = (4 << 20) + 8 * input;
  limits.stack = StackToUse();
  return limits;
}

// Throws Failure where a limit was exceeded, whatever became of the exception that told so.
void CheckLimits(jinja::Budget& budget) {
  if (budget.exceeded() == jinja::Excess::kNone) return;
  try {
    budget.Exceed(budget.exceeded());
  } catch (const jinja::LimitExceeded& exceeded) {
    throw Failure("ERR_TEMPLATE", exceeded.what());
  }
}

// `work()` within its limits. Errors other than those at a place of the template become Failures.
template <typename Work>
auto Limited(size_t input_bytes, const Work& work) {
  jinja::Budget budget(LimitsFor(input_bytes));
  try {
    auto result = work();
    CheckLimits(budget);
    return result;
  } catch (const Failure&) {
    throw;
  } catch (const jinja::RenderError&) {
    CheckLimits(budget);
    throw;
  } catch (const std::exception& error) {
    CheckLimits(budget);
    throw Failure("ERR_TEMPLATE", error.what());
  }
}

void CheckSyntax(const std::string& source) {
  try {
    jinja::Parse(source);
  } catch (const jinja::SyntaxError& error) {
    throw Failure("ERR_TEMPLATE", Place(jinja::NormalizeNewlines(source), error.position) + error.what());
  }
}

// Ways to ask for an answer: thinking or not, rarely more.
constexpr size_t kMostAnalyses = 8;

class PegGrammar : public ReplyGrammar {
 public:
  explicit PegGrammar(const common_chat_params& rendered) : params_(rendered) {
    params_.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
    params_.parse_tool_calls = false;
    if (!rendered.parser.empty()) params_.parser.load(rendered.parser);
  }

  bool TakesAllAsContent() const {
    const std::string text = "Some text.";
    try {
      return Parse(text, false).content == text;
    } catch (const Failure&) {
      return false;
    }
  }

  ParsedReply Parse(const std::string& output, bool partial) const override {
    try {
      const common_chat_msg message = common_chat_parse(output, partial, params_);
      return {message.reasoning_content, message.content};
    } catch (const std::exception& error) {
      throw Failure("ERR_TEMPLATE", error.what());
    }
  }

 private:
  common_chat_parser_params params_;
};

// What llama.cpp finds out about a template by rendering it a few dozen times, 10 to 60 ms: once for each way
// to ask for the answer.
struct Analysis {
  bool enable_thinking;
  RenderedChat made;
};

common_chat_templates_inputs ToInputs(const RenderRequest& request) {
  common_chat_templates_inputs inputs;
  inputs.add_generation_prompt = request.add_generation_prompt;
  inputs.enable_thinking = request.enable_thinking;
  inputs.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
  if (request.preserve_reasoning) {
    inputs.chat_template_kwargs["preserve_reasoning"] = *request.preserve_reasoning ? "true" : "false";
  }
  for (const ChatMessage& message : request.messages) {
    common_chat_msg msg;
    msg.role = message.role;
    msg.content = message.content;
    msg.reasoning_content = message.reasoning;
    inputs.messages.push_back(std::move(msg));
  }
  return inputs;
}

// The analysis fails on templates that write the messages out as JSON, for one: such answers have no parts.
common_chat_params Apply(const common_chat_templates* templates, common_chat_templates_inputs inputs) {
  try {
    return common_chat_templates_apply(templates, inputs);
  } catch (const std::exception&) {
    inputs.force_pure_content = true;
    return common_chat_templates_apply(templates, inputs);  // throws again where the template itself fails
  }
}

RenderedChat Analyse(const common_chat_templates* templates, const common_chat_templates_inputs& inputs) {
  const common_chat_params made = Apply(templates, inputs);
  const auto grammar = std::make_shared<PegGrammar>(made);
  return {made.prompt,
          made.generation_prompt,
          made.supports_thinking,
          made.supports_thinking || !grammar->TakesAllAsContent(),
          made.thinking_start_tag,
          made.thinking_end_tags,
          made.preserved_tokens,
          made.additional_stops,
          grammar};
}

}  // namespace

struct ChatFormat::Parsed {
  common_chat_templates_ptr templates;
  std::optional<bool> is_plain;
  std::vector<Analysis> analyses;

  // Whether llama.cpp renders it as it stands: for some templates it changes the messages first.
  bool IsPlain() {
    if (!is_plain) {
      common_chat_templates_inputs inputs =
          ToInputs({{{"system", "a", ""}, {"user", "b", ""}, {"assistant", "c", "d"}, {"user", "e", ""}},
                    true,
                    true,
                    std::nullopt});
      try {
        const std::string whole = Apply(templates.get(), inputs).prompt;
        inputs.force_pure_content = true;
        is_plain = common_chat_templates_apply(templates.get(), inputs).prompt == whole;
      } catch (const std::exception&) {
        is_plain = false;  // it does not like these messages
      }
    }
    return *is_plain;
  }

  RenderedChat Render(const RenderRequest& request) {
    common_chat_templates_inputs inputs = ToInputs(request);
    if (IsPlain()) {
      inputs.force_pure_content = true;
      const common_chat_params made = common_chat_templates_apply(templates.get(), inputs);
      if (const RenderedChat* known = Find(request, made.generation_prompt)) {
        RenderedChat rendered = *known;
        rendered.prompt = made.prompt;
        return rendered;
      }
      inputs.force_pure_content = false;
    }
    RenderedChat rendered = Analyse(templates.get(), inputs);
    if (analyses.size() < kMostAnalyses) analyses.push_back({request.enable_thinking, rendered});
    return rendered;
  }

 private:
  // What is known of answers to prompts with this end, perhaps from a short conversation that asks for it;
  // null where there is none.
  const RenderedChat* Find(const RenderRequest& request, const std::string& generation_prompt) {
    const auto find = [&]() -> const RenderedChat* {
      for (const Analysis& known : analyses) {
        const bool fits = known.made.generation_prompt == generation_prompt;
        if (fits && known.enable_thinking == request.enable_thinking) return &known.made;
      }
      return nullptr;
    };
    if (const RenderedChat* known = find()) return known;
    if (analyses.size() >= kMostAnalyses) return nullptr;
    const RenderRequest question{{{"user", "a", ""}},
                                 request.add_generation_prompt,
                                 request.enable_thinking,
                                 request.preserve_reasoning};
    try {
      analyses.push_back({request.enable_thinking, Analyse(templates.get(), ToInputs(question))});
    } catch (const std::exception&) {
      return nullptr;  // it does not like that one
    }
    return find();
  }
};

ChatFormat::ChatFormat(const llama_model* model, const std::string& source) {
  const char* own = source.empty() ? llama_model_chat_template(model, nullptr) : source.c_str();
  if (own == nullptr) throw Failure("ERR_TEMPLATE", "the model has no template of its own");
  if (source.find('\0') != std::string::npos) throw Failure("ERR_TEMPLATE", "it holds a NUL");
  const std::string text = own;
  parsed_ = Limited(text.size(), [&] {
    CheckSyntax(text);
    return std::make_unique<Parsed>(Parsed{common_chat_templates_init(model, text, "<s>", "</s>"), {}, {}});
  });
}

ChatFormat::~ChatFormat() = default;

void ChatFormat::InstallLog() {
  common_log_set_verbosity_thold(-1);
}

RenderedChat ChatFormat::Render(const RenderRequest& request) {
  size_t input_bytes = 0;
  for (const ChatMessage& message : request.messages) {
    input_bytes += message.role.size() + message.content.size() + message.reasoning.size();
  }
  try {
    return Limited(input_bytes, [&] { return parsed_->Render(request); });
  } catch (const jinja::RenderError& error) {
    const std::string source = common_chat_templates_source(parsed_->templates.get(), "");
    throw Failure("ERR_TEMPLATE", Place(source, error.position) + error.what());
  }
}

}  // namespace gpt4all
