// Splits what a model writes, as the template that made its prompt says.
#pragma once

#include <memory>
#include <string>

struct common_chat_params;

namespace gpt4all {

struct ParsedReply {
  std::string reasoning;
  std::string content;
};

// Does not change: several threads may use one.
class ReplyGrammar {
 public:
  // By what llama.cpp found out when it made the prompt.
  explicit ReplyGrammar(const common_chat_params& rendered);
  ~ReplyGrammar();

  // Whether answers have no parts, as far as one of a few words tells.
  bool TakesAllAsContent() const;

  // `partial`: more is to come, so text that may begin a tag is held back. Throws Failure (ERR_TEMPLATE).
  ParsedReply Parse(const std::string& output, bool partial) const;

 private:
  struct Params;
  const std::unique_ptr<const Params> params_;
};

}  // namespace gpt4all
