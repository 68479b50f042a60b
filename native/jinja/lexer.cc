#include "lexer.h"

#include <utility>

#include "errors.h"
#include "limits.h"
#include "string-literal.h"
#include "text.h"

namespace jinja {

namespace {

constexpr size_t kNowhere = std::string::npos;

// Names are looked up and copied as if all were short.
constexpr size_t kMaxNameSize = 250;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsWordCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Lexer {
 public:
  explicit Lexer(const std::string& source) : source_(source) {}

  std::vector<Token> Read() {
    SpendOnReading(source_.size());
    while (pos_ < source_.size()) ReadText();
    return std::move(tokens_);
  }

 private:
  bool At(std::string_view wanted, size_t pos) const {
    return source_.compare(pos, wanted.size(), wanted) == 0;
  }

  char CharacterAt(size_t pos) const { return pos < source_.size() ? source_[pos] : '\0'; }

  bool HasSign(size_t pos) const { return CharacterAt(pos) == '-' || CharacterAt(pos) == '+'; }

  // The place after white space.
  size_t SkipSpace(size_t pos) const {
    return source_.size() - Strip(std::string_view(source_).substr(pos), Side::kLeft).size();
  }

  void Add(Token::Kind kind, std::string text, size_t position) {
    Spend(1);
    Push(tokens_, {kind, std::move(text), position});
  }

  // Moves after the end of a tag such as %}, perhaps with a sign before it; false if there is none.
  bool TakeEnd(std::string_view end, bool trims) {
    const bool plus = trims && CharacterAt(pos_) == '+', minus = CharacterAt(pos_) == '-';
    size_t behind = pos_ + (plus || minus ? 1 : 0);
    if (behind > source_.size() || !At(end, behind)) return false;
    behind += end.size();
    if (minus) {
      behind = SkipSpace(behind);
    } else if (trims && !plus && CharacterAt(behind) == '\n') {
      behind++;
    }
    pos_ = behind;
    line_starts_ = source_[pos_ - 1] == '\n';
    return true;
  }

  // The text from here to a tag, without the white space that the tag strips.
  void AddText(size_t tag, bool is_expression) {
    std::string_view text = std::string_view(source_).substr(pos_, tag - pos_);
    const bool at_end = tag == source_.size();
    const char sign = CharacterAt(tag + 2);
    if (!at_end && sign == '-') {
      text = Strip(text, Side::kRight);
    } else if (!at_end && sign != '+' && !is_expression) {
      const size_t line = text.rfind('\n') + 1;  // 0 where there is none
      const bool starts = line > 0 || line_starts_;
      if (starts && Strip(text.substr(line), Side::kLeft).empty()) text = text.substr(0, line);
    }
    if (!text.empty()) Add(Token::Kind::kText, std::string(text), pos_);
  }

  size_t FindTag() const {
    for (size_t tag = pos_; (tag = source_.find('{', tag)) != kNowhere; tag++) {
      const char kind = CharacterAt(tag + 1);
      if (kind == '%' || kind == '{' || kind == '#') return tag;
    }
    return source_.size();
  }

  void ReadText() {
    const size_t tag = FindTag();
    const char kind = CharacterAt(tag + 1);
    AddText(tag, kind == '{');
    pos_ = tag;
    if (tag == source_.size()) return;
    pos_ += HasSign(tag + 2) ? 3 : 2;
    if (kind == '#') {
      ReadComment(tag);
    } else if (kind == '{') {
      Add(Token::Kind::kOpenExpression, "{{", tag);
      ReadTag("}}", Token::Kind::kCloseExpression);
    } else if (!ReadRaw(tag)) {
      Add(Token::Kind::kOpenStatement, "{%", tag);
      ReadTag("%}", Token::Kind::kCloseStatement);
    }
  }

  void ReadComment(size_t tag) {
    const size_t start = pos_, end = source_.find("#}", pos_);
    if (end == kNowhere) throw SyntaxError("missing end of comment tag", tag);
    pos_ = end > start && HasSign(end - 1) ? end - 1 : end;
    Add(Token::Kind::kComment, "", tag);
    TakeEnd("#}", true);
  }

  // Moves after `word` and the end of a tag, if they come next.
  bool TakeWord(std::string_view word, bool trims) {
    const size_t before = pos_;
    pos_ = SkipSpace(pos_);
    if (At(word, pos_)) {
      pos_ = SkipSpace(pos_ + word.size());
      if (TakeEnd("%}", trims)) return true;
    }
    pos_ = before;
    return false;
  }

  // {% raw %} ... {% endraw %}
  bool ReadRaw(size_t tag) {
    if (!TakeWord("raw", false)) return false;
    const size_t start = pos_;
    const bool starts_line = line_starts_;
    for (size_t end = pos_; (end = source_.find("{%", end)) != kNowhere; end += 2) {
      pos_ = end + (HasSign(end + 2) ? 3 : 2);
      if (!TakeWord("endraw", true)) continue;
      const size_t behind = std::exchange(pos_, start);
      const bool ends_line = std::exchange(line_starts_, starts_line);
      AddText(end, false);
      pos_ = behind;
      line_starts_ = ends_line;
      return true;
    }
    throw SyntaxError("missing end of raw directive", tag);
  }

  void ReadTag(std::string_view end, Token::Kind end_kind) {
    std::string open;  // the brackets that close what is open
    while (true) {
      pos_ = SkipSpace(pos_);
      const size_t start = pos_;
      if (pos_ >= source_.size()) return;  // the parser misses what comes next
      if (open.empty() && TakeEnd(end, end[0] == '%')) return Add(end_kind, std::string(end), start);
      if (ReadNumber() || ReadName() || ReadString() || ReadOperator(open)) continue;
      throw SyntaxError(std::string("unexpected character: ") + source_[pos_], pos_);
    }
  }

  // Digits, perhaps in groups.
  size_t SkipDigits(size_t pos) const {
    while (IsDigit(CharacterAt(pos)) || (CharacterAt(pos) == '_' && IsDigit(CharacterAt(pos + 1)))) pos++;
    return pos;
  }

  // The place after the fraction and the exponent; `pos` if there is none.
  size_t SkipFraction(size_t end) const {
    if (CharacterAt(end) == '.' && IsDigit(CharacterAt(end + 1))) end = SkipDigits(end + 1);
    if (CharacterAt(end) != 'e' && CharacterAt(end) != 'E') return end;
    const size_t power = end + (HasSign(end + 1) ? 2 : 1);
    return IsDigit(CharacterAt(power)) ? SkipDigits(power) : end;
  }

  bool ReadNumber() {
    if (!IsDigit(CharacterAt(pos_))) return false;
    const size_t start = pos_, whole = SkipDigits(pos_);
    size_t end = start > 0 && source_[start - 1] == '.' ? whole : SkipFraction(whole);
    if (end == whole && source_[start] == '0') {
      const char kind = static_cast<char>(CharacterAt(start + 1) | 0x20);
      if (kind == 'x' || kind == 'o' || kind == 'b') {
        throw SyntaxError("a number that is not decimal is not implemented", start);
      }
      // The only whole number that may begin with zero is zero.
      const auto goes_on = [this](size_t at) {
        return CharacterAt(at) == '0' || (CharacterAt(at) == '_' && CharacterAt(at + 1) == '0');
      };
      for (end = start + 1; goes_on(end);) end++;
    }
    std::string digits;
    for (size_t i = start; i < end; i++) {
      if (source_[i] != '_') digits += source_[i];
    }
    Add(Token::Kind::kNumber, digits, start);
    pos_ = end;
    return true;
  }

  bool ReadName() {
    size_t end = pos_;
    while (IsWordCharacter(CharacterAt(end))) end++;
    if (end == pos_) return false;
    if (end - pos_ > kMaxNameSize) throw SyntaxError("a name this long is not implemented", pos_);
    Add(Token::Kind::kName, source_.substr(pos_, end - pos_), pos_);
    pos_ = end;
    return true;
  }

  bool ReadString() {
    const char quote = source_[pos_];
    if (quote != '\'' && quote != '"') return false;
    const size_t start = pos_;
    Add(Token::Kind::kString, ReadStringLiteral(source_, pos_), start);
    return true;
  }

  bool ReadOperator(std::string& open) {
    static const char* const operators[] = {"**", "//", "<=", ">=", "==", "!=", "(", ")", "{",
                                            "}",  "[",  "]",  ",",  ".",  ":",  "|", "<", ">",
                                            "+",  "-",  "~",  "*",  "/",  "%",  "="};
    for (const std::string_view op : operators) {
      if (!At(op, pos_)) continue;
      const size_t bracket = std::string_view("([{").find(op);
      if (bracket != std::string_view::npos) {
        open += ")]}"[bracket];
      } else if (std::string_view(")]}").find(op) != std::string_view::npos) {
        if (open.empty() || open.back() != op[0]) throw SyntaxError("unexpected " + std::string(op), pos_);
        open.pop_back();
      }
      Add(Token::Kind::kOperator, std::string(op), pos_);
      pos_ += op.size();
      return true;
    }
    return false;
  }

  const std::string& source_;
  size_t pos_ = 0;
  bool line_starts_ = true;  // what was read last ended with a line feed
  std::vector<Token> tokens_;
};

}  // namespace

std::string NormalizeNewlines(const std::string& source) {
  std::string normalized;
  normalized.reserve(source.size());
  for (size_t i = 0; i < source.size(); i++) {
    const bool returns = source[i] == '\r';
    normalized += returns ? '\n' : source[i];
    if (returns && i + 1 < source.size() && source[i + 1] == '\n') i++;
  }
  if (!normalized.empty() && normalized.back() == '\n') normalized.pop_back();
  return normalized;
}

std::vector<Token> Tokenize(const std::string& source) {
  return Lexer(source).Read();
}

}  // namespace jinja
