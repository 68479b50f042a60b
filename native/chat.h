// Chat templates: make a prompt of messages, and find out how to split the answer. No N-API.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control-texts.h"
#include "reply-grammar.h"
#include "template-limits.h"

struct llama_model;

namespace gpt4all {

struct ChatMessage {
  std::string role;
  std::string content;
  std::string reasoning;
};

struct RenderRequest {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  bool enable_thinking = true;
  // Whether past reasoning is shown; empty = the template decides.
  std::optional<bool> preserve_reasoning = {};
  // Control texts that are marked in the prompt where users' texts make them up; null = none. The marks do
  // not occur in `avoided`.
  std::shared_ptr<const ControlTexts> control = {};
  std::u16string avoided = {};
};

struct RenderedChat {
  std::string prompt;
  std::string plain;  // without its marks
  Marks marks;
  // The end of `prompt` that asks for the answer; may open a block of reasoning.
  std::string generation_prompt;
  // Whether an answer has parts (reasoning, a frame around the text), into which `grammar` splits it.
  bool splits_reply;
  std::string thinking_start;
  std::vector<std::string> thinking_ends;
  // Texts of control tokens that the grammar needs to see in the output.
  std::vector<std::string> preserved_texts;
  // What ends an answer beside the model's own end tokens.
  std::vector<std::string> stops;
  std::shared_ptr<const ReplyGrammar> grammar;
};

// Several threads may use one.
class ChatFormat {
 public:
  // `source` is Jinja; empty = the model's own. Without a model (null) the start and end tokens are "<s>" and
  // "</s>". Throws Failure (ERR_TEMPLATE) where there is no template.
  ChatFormat(std::shared_ptr<const llama_model> model, std::string source);
  ~ChatFormat();

  // Parses the template unless that is done. Throws Failure: ERR_TEMPLATE with the line; ERR_EFFORT
  // where a quick effort is not enough; ERR_CLOSED where the model is closed.
  void Open(Effort effort);

  // Opens it as well, and throws the same.
  RenderedChat Render(RenderRequest request, Effort effort);

  // Silences common's logger, which would print to stdout. Once per process.
  static void InstallLog();

 private:
  class Parsed;

  // Held weakly: closing a model frees it.
  const std::weak_ptr<const llama_model> model_;
  const bool has_model_;
  std::string source_;
  std::mutex opening_;  // guards parsed_ until it is there
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace gpt4all
