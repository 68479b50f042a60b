// The only file that includes llama.cpp's common/: its Jinja engine and, later, its parsers.
#include "chat.h"

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"  // theirs: statics in headers
#endif
#include "../vendor/llama.cpp/common/chat.h"
#include "../vendor/llama.cpp/common/log.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "error.h"

namespace gpt4all {

struct ChatTemplates::Parsed {
  std::string source;
  common_chat_templates_ptr templates;
};

ChatTemplates::ChatTemplates() = default;
ChatTemplates::~ChatTemplates() = default;

void ChatTemplates::InstallLog() {
  common_log_set_verbosity_thold(-1);
}

void ChatTemplates::Clear() {
  parsed_.reset();
}

std::string ChatTemplates::Render(const llama_model* model, const std::string& source,
                                  const std::vector<ChatMessage>& messages, bool add_generation_prompt) {
  try {
    if (!parsed_ || parsed_->source != source) {
      parsed_ = std::make_unique<Parsed>(Parsed{source, common_chat_templates_init(model, source)});
    }
    common_chat_templates_inputs inputs;
    inputs.add_generation_prompt = add_generation_prompt;
    for (const ChatMessage& message : messages) {
      common_chat_msg msg;
      msg.role = message.role;
      msg.content = message.content;
      inputs.messages.push_back(std::move(msg));
    }
    return common_chat_templates_apply(parsed_->templates.get(), inputs).prompt;
  } catch (const std::exception& error) {
    const std::string reason = error.what();  // "std::exception" where the parser gave none
    throw Failure("ERR_TEMPLATE", reason == "std::exception" ? "it is not valid Jinja" : reason);
  }
}

}  // namespace gpt4all
