// The only file that includes llama.cpp's common/: its Jinja engine and the parsers it derives from
// templates.
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

namespace gpt4all {

namespace {

std::string Place(const std::string& source, size_t position) {
  const auto begin = source.begin(), at = begin + static_cast<ptrdiff_t>(std::min(position, source.size()));
  const auto line_begin = std::find(std::make_reverse_iterator(at), source.rend(), '\n').base();
  return "line " + std::to_string(std::count(begin, at, '\n') + 1) + ", column " +
         std::to_string(at - line_begin + 1);
}

// Their errors end in a drawing of the place; only the words before it are kept.
std::string FirstLine(const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  for (const char* prefix : {"lexer: ", "parser: Parser Error: ", "parser: "}) {
    if (line.rfind(prefix, 0) == 0) return line.substr(std::string(prefix).size());
  }
  return line;
}

// The lexer's errors show up to 80 characters around the place, line feeds as arrows, and a caret under it.
size_t ShownPosition(const std::string& source, const std::string& error) {
  const size_t shown = error.find("\n...");
  const size_t caret = error.rfind('^');
  const size_t caret_line = error.rfind('\n');
  if (shown == std::string::npos || caret == std::string::npos || caret_line <= shown) return source.size();
  std::string excerpt = error.substr(shown + 4, caret_line - shown - 7);
  for (size_t at; (at = excerpt.find("↵")) != std::string::npos;)
    excerpt.replace(at, std::string("↵").size(), "\n");
  const size_t start = source.find(excerpt);
  return start == std::string::npos ? source.size() : start + (caret - caret_line - 4);
}

std::string ParseError(const jinja::lexer_result& lexed, size_t count) {
  try {
    jinja::parse_from_tokens(
        {{lexed.tokens.begin(), lexed.tokens.begin() + static_cast<ptrdiff_t>(count)}, lexed.source});
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// common_chat_templates_init() slices the parser's errors. Not all of them tell a place either: the parser
// reads from left to right, so the shortest beginning that fails in the same way ends there.
void CheckSyntax(const std::string& source) {
  jinja::lexer_result lexed;
  try {
    lexed = jinja::lexer().tokenize(source);
  } catch (const std::exception& error) {
    throw Failure("ERR_TEMPLATE",
                  Place(source, ShownPosition(source, error.what())) + ": " + FirstLine(error.what()));
  }
  const std::string whole = ParseError(lexed, lexed.tokens.size());
  if (whole.empty()) return;
  size_t passes = 0, fails = lexed.tokens.size();
  while (passes + 1 < fails) {
    const size_t middle = passes + (fails - passes) / 2;
    (ParseError(lexed, middle) == whole ? fails : passes) = middle;
  }
  const size_t position = lexed.tokens.empty() ? 0 : lexed.tokens[fails - 1].pos;
  throw Failure("ERR_TEMPLATE", Place(lexed.source, position) + ": " + FirstLine(whole));
}

// "... While executing CallExpression at line 3, column 5 in source: ... Error: Jinja Exception: no system
// role"
Failure RenderFailure(const std::string& text) {
  const size_t place = text.rfind(" at line "), place_end = text.find(" in source:", place);
  const size_t reason = text.rfind("Error: ");
  if (place == std::string::npos || place_end == std::string::npos || reason == std::string::npos) {
    return Failure("ERR_TEMPLATE", text);
  }
  std::string words = text.substr(reason + 7);
  const std::string raised = "Jinja Exception: ";
  if (words.rfind(raised, 0) == 0) words = words.substr(raised.size());
  return Failure("ERR_TEMPLATE", text.substr(place + 4, place_end - place - 4) + ": " + words);
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
};

ChatFormat::ChatFormat(const llama_model* model, const std::string& source) {
  const char* own = source.empty() ? llama_model_chat_template(model, nullptr) : source.c_str();
  if (own == nullptr) throw Failure("ERR_TEMPLATE", "the model has no template of its own");
  if (source.find('\0') != std::string::npos) throw Failure("ERR_TEMPLATE", "it holds a NUL");
  CheckSyntax(own);
  try {
    parsed_ = std::make_unique<Parsed>(Parsed{common_chat_templates_init(model, own, "<s>", "</s>"), {}, {}});
  } catch (const std::exception& error) {
    throw Failure("ERR_TEMPLATE", error.what());
  }
}

ChatFormat::~ChatFormat() = default;

void ChatFormat::InstallLog() {
  common_log_set_verbosity_thold(-1);
}

RenderedChat ChatFormat::Render(const RenderRequest& request) {
  common_chat_templates_inputs inputs = ToInputs(request);
  const common_chat_templates* templates = parsed_->templates.get();
  try {
    if (parsed_->IsPlain()) {
      inputs.force_pure_content = true;
      const common_chat_params made = common_chat_templates_apply(templates, inputs);
      for (const Analysis& known : parsed_->analyses) {
        if (known.enable_thinking != request.enable_thinking) continue;
        if (known.made.generation_prompt != made.generation_prompt) continue;
        RenderedChat rendered = known.made;
        rendered.prompt = made.prompt;
        return rendered;
      }
      inputs.force_pure_content = false;
    }
    RenderedChat rendered = Analyse(templates, inputs);
    if (parsed_->analyses.size() < kMostAnalyses)
      parsed_->analyses.push_back({request.enable_thinking, rendered});
    return rendered;
  } catch (const std::exception& error) {
    throw RenderFailure(error.what());
  }
}

}  // namespace gpt4all
