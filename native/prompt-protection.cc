#include "prompt-protection.h"

#include "jinja/limits.h"
#include "utf16.h"

namespace gpt4all {

namespace {

// A private-use character that neither the template nor a message contains; empty where all are used.
std::u16string UnusedCharacter(const std::string& source, const RenderRequest& request) {
  PrivateUse used;
  used.Add(source);
  for (const ChatMessage& message : request.messages) {
    used.Add(message.content);
    used.Add(message.reasoning);
  }
  const std::u16string mark = request.control->UnusedMarks(used).cut;
  return mark.size() == 1 ? mark : std::u16string();
}

}  // namespace

PromptProtection::PromptProtection(RenderRequest& request, const std::string& source) : request_(request) {
  if (!request.control) return;
  const std::u16string cut = UnusedCharacter(source, request);
  hidden_ = ToUtf8(cut);
  for (ChatMessage& message : request.messages) {
    for (std::string* text : {&message.content, &message.reasoning}) {
      *text = request.control->Marked({*text, jinja::UserBytes::All(text->size())}, {cut, {}, {}});
    }
  }
}

std::string PromptProtection::Mark(const jinja::MixedText& rendered) {
  jinja::SpendOnReading(8 * rendered.text.size());
  jinja::EnsureRoom(8 * rendered.text.size());
  const jinja::MixedText text = jinja::WithoutUsers(rendered, hidden_);
  if (marks_.cut.empty()) {
    PrivateUse used;
    used.Add(text.text);
    used.Add(request_.avoided);
    marks_ = request_.control->UnusedMarks(used);
  }
  return request_.control->Marked(text, marks_);
}

}  // namespace gpt4all
