#include "chat.h"

#include <algorithm>

#include "error.h"
#include "jinja/parser.h"
#include "llama-common.h"
#include "prompt-protection.h"
#include "template-limits.h"

namespace gpt4all {

namespace {

std::string Place(const std::string& source, size_t position) {
  const auto begin = source.begin(), at = begin + static_cast<ptrdiff_t>(std::min(position, source.size()));
  const auto line_begin = std::find(std::make_reverse_iterator(at), source.rend(), '\n').base();
  return "line " + std::to_string(std::count(begin, at, '\n') + 1) + ", column " +
         std::to_string(at - line_begin + 1) + ": ";
}

Extent ExtentOf(const std::vector<ChatMessage>& messages) {
  Extent extent{0, messages.size()};
  for (const ChatMessage& message : messages) {
    extent.bytes += message.role.size() + message.content.size() + message.reasoning.size();
  }
  return extent;
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

// The grammar by which an answer is split.
constexpr size_t kMostGrammarBytes = 256 << 10;

// The source of a template: the longest of llama.cpp's collection have some 30 KB.
constexpr size_t kMostSourceBytes = 2 << 20;

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

// The analysis fails on some templates, for example those that write the messages out as JSON, and costs too
// much where they write very much: their answers have no parts.
common_chat_params Apply(const common_chat_templates* templates, common_chat_templates_inputs inputs,
                         Effort effort) {
  try {
    std::optional<jinja::Budget> share;
    if (effort == Effort::kWhole) share.emplace(jinja::Budget::Current()->Half());
    common_chat_params made = common_chat_templates_apply(templates, inputs);
    EnsureWithinLimits();  // llama.cpp may have caught the exception
    if (made.parser.size() > kMostGrammarBytes)
      throw Failure("ERR_TEMPLATE", "its answers are too intricate");
    return made;
  } catch (const std::exception&) {
    inputs.force_pure_content = true;
    return common_chat_templates_apply(templates, inputs);  // throws again where the template itself fails
  }
}

RenderedChat Analyse(const common_chat_templates* templates, const common_chat_templates_inputs& inputs,
                     Effort effort) {
  const common_chat_params made = Apply(templates, inputs, effort);
  const auto grammar = std::make_shared<const ReplyGrammar>(made);
  return {made.prompt,
          made.prompt,
          {},
          made.generation_prompt,
          made.supports_thinking || !grammar->TakesAllAsContent(),
          made.thinking_start_tag,
          made.thinking_end_tags,
          made.preserved_tokens,
          made.additional_stops,
          grammar};
}

}  // namespace

class ChatFormat::Parsed {
 public:
  explicit Parsed(common_chat_templates_ptr templates) : templates_(std::move(templates)) {}

  RenderedChat Render(const RenderRequest& request, PromptProtection& protection, Effort effort) {
    common_chat_templates_inputs inputs = ToInputs(request);
    const Adapted adapted = IsAdapted(effort);
    std::string plain;
    if (adapted != Adapted::kWell) {
      inputs.force_pure_content = true;
      const common_chat_params made =
          protection.Render([&] { return common_chat_templates_apply(templates_.get(), inputs); });
      if (auto known = FindOrAnalyse(request, made.generation_prompt, effort)) {
        known->prompt = known->plain = made.prompt;
        return *known;
      }
      plain = made.prompt;
      inputs.force_pure_content = false;
    }
    RenderedChat rendered = protection.Render([&] { return Analyse(templates_.get(), inputs, effort); });
    if (adapted == Adapted::kBadly) rendered.prompt = rendered.plain = plain;
    Remember({request.enable_thinking, rendered});
    return rendered;
  }

  std::string source() const { return common_chat_templates_source(templates_.get(), ""); }

 private:
  // What llama.cpp does to messages before this template gets them: nothing, what the template expects, or
  // something that loses texts.
  enum class Adapted { kNot, kWell, kBadly };

  static Adapted Compare(const std::vector<ChatMessage>& messages, const std::string& adapted,
                         const std::string& plain) {
    if (adapted == plain) return Adapted::kNot;
    const auto is_lost = [&](const ChatMessage& message) {
      const bool is_there = adapted.find(message.content) != std::string::npos;
      return !is_there && plain.find(message.content) != std::string::npos;
    };
    return std::any_of(messages.begin(), messages.end(), is_lost) ? Adapted::kBadly : Adapted::kWell;
  }

  Adapted IsAdapted(Effort effort) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (adapted_) return *adapted_;
    }
    const std::vector<ChatMessage> all{{"system", "<1st text>", ""},
                                       {"user", "<2nd text>", ""},
                                       {"assistant", "<3rd text>", "<thoughts>"},
                                       {"user", "<4th text>", ""}};
    common_chat_templates_inputs inputs = ToInputs({all});
    Adapted adapted = Adapted::kWell;
    try {
      const std::string whole = Apply(templates_.get(), inputs, effort).prompt;
      inputs.force_pure_content = true;
      adapted = Compare(all, whole, common_chat_templates_apply(templates_.get(), inputs).prompt);
    } catch (const std::exception&) {
      // the template refuses these messages
    }
    EnsureWithinLimits();
    const std::lock_guard<std::mutex> lock(mutex_);
    adapted_ = adapted;
    return adapted;
  }

  // What is known about answers to prompts with this end.
  std::optional<RenderedChat> Find(const RenderRequest& request, const std::string& generation_prompt) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Analysis& known : analyses_) {
      const bool fits = known.made.generation_prompt == generation_prompt;
      if (fits && known.enable_thinking == request.enable_thinking) return known.made;
    }
    return std::nullopt;
  }

  // The same, possibly from a short conversation, which costs less than the one at hand.
  std::optional<RenderedChat> FindOrAnalyse(const RenderRequest& request,
                                            const std::string& generation_prompt, Effort effort) {
    if (auto known = Find(request, generation_prompt)) return known;
    const std::vector<ChatMessage> question{{"user", "a", ""}};
    try {
      const RenderRequest asked{question, request.add_generation_prompt, request.enable_thinking,
                                request.preserve_reasoning};
      Remember({request.enable_thinking, Analyse(templates_.get(), ToInputs(asked), effort)});
    } catch (const std::exception&) {
      EnsureWithinLimits();
      return std::nullopt;  // the template refuses the short conversation
    }
    return Find(request, generation_prompt);
  }

  void Remember(Analysis analysis) {
    EnsureWithinLimits();
    analysis.made.prompt.clear();
    analysis.made.plain.clear();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (analyses_.size() < kMostAnalyses) analyses_.push_back(std::move(analysis));
  }

  const common_chat_templates_ptr templates_;
  std::mutex mutex_;  // guards the rest
  std::optional<Adapted> adapted_;
  std::vector<Analysis> analyses_;
};

ChatFormat::ChatFormat(std::shared_ptr<const llama_model> model, std::string source)
    : model_(model), has_model_(model != nullptr), source_(std::move(source)) {
  if (source_.find('\0') != std::string::npos) throw Failure("ERR_TEMPLATE", "it holds a NUL");
  if (!source_.empty()) return;
  const char* own = llama_model_chat_template(model.get(), nullptr);
  if (own == nullptr) throw Failure("ERR_TEMPLATE", "the model has no template of its own");
  source_ = own;
}

ChatFormat::~ChatFormat() = default;

void ChatFormat::InstallLog() {
  common_log_set_verbosity_thold(-1);
}

void ChatFormat::Open(Effort effort) {
  std::unique_lock<std::mutex> lock(opening_, std::defer_lock);
  if (effort == Effort::kWhole) {
    lock.lock();
  } else if (!lock.try_lock()) {
    throw Failure("ERR_EFFORT", "another thread opens it");
  }
  if (parsed_) return;
  const Extent source{source_.size()};
  if (source_.size() > kMostSourceBytes) throw Failure("ERR_TEMPLATE", "it is too long");
  if (effort == Effort::kQuick && !source.IsQuick()) {
    throw Failure("ERR_EFFORT", "it is a long template");
  }
  const std::shared_ptr<const llama_model> model = model_.lock();
  if (has_model_ && !model) throw Failure("ERR_CLOSED", "The model is closed.");
  parsed_ = Limited(effort, source, [&] {
    CheckSyntax(source_);
    return std::make_unique<Parsed>(common_chat_templates_init(model.get(), source_, "<s>", "</s>"));
  });
}

RenderedChat ChatFormat::Render(RenderRequest request, Effort effort) {
  Open(effort);
  // llama.cpp's work on the messages costs time as well, and is not counted.
  const bool is_long = !ExtentOf(request.messages).IsQuick();
  if (effort == Effort::kQuick && is_long) throw Failure("ERR_EFFORT", "it is a long conversation");
  try {
    PromptProtection protection(request, source_);
    RenderedChat made = Limited(effort, ExtentOf(request.messages),
                                [&] { return parsed_->Render(request, protection, effort); });
    made.marks = protection.marks();
    if (request.control) made.plain = WithoutMarks(made.prompt, made.marks);
    return made;
  } catch (const jinja::RenderError& error) {
    throw Failure("ERR_TEMPLATE", Place(parsed_->source(), error.position) + error.what());
  }
}

}  // namespace gpt4all
