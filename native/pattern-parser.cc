// The constructor of a Pattern, which makes its program of its source.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "pattern.h"

namespace gpt4all {

void Pattern::Class::Add(char32_t first, char32_t last) {
  for (char32_t c = first; c <= std::min<char32_t>(last, 127); c++) low[c / 64] |= uint64_t{1} << (c % 64);
  if (last > 127) ranges.emplace_back(std::max<char32_t>(first, 128), last);
}

// Recursive descent; the sources are llama.cpp's own.
class PatternParser {
 public:
  PatternParser(const std::u32string& source, Pattern& pattern) : source_(source), pattern_(pattern) {}

  void Parse() {
    Alternatives();
    if (at_ < source_.size()) Fail("an unexpected )");
    Emit(Pattern::Op::kAccept);
  }

 private:
  using Op = Pattern::Op;

  [[noreturn]] static void Fail(const char* what) {
    throw std::runtime_error(std::string("a pattern of the vocabulary has ") + what);
  }

  bool More() const { return at_ < source_.size(); }
  char32_t Peek() const { return More() ? source_[at_] : 0; }
  bool Take(char32_t c) {
    if (!More() || source_[at_] != c) return false;
    at_++;
    return true;
  }

  std::vector<Pattern::Instruction>& Program() { return pattern_.program_; }
  uint32_t Here() const { return static_cast<uint32_t>(pattern_.program_.size()); }

  uint32_t Emit(Op op, uint32_t index = 0) {
    Program().push_back({op, Here() + 1, 0, index});
    return Here() - 1;
  }
  uint32_t EmitSplit() { return Emit(Op::kSplit, pattern_.splits_++); }

  // Returns whether what was parsed may match the empty text; so do the following.
  bool Alternatives() {
    const uint32_t start = Here();
    bool empty = Sequence();
    std::vector<uint32_t> ends;
    uint32_t branch = start;
    while (Take('|')) {
      Insert(branch, Op::kSplit);
      ends.push_back(Emit(Op::kJump));
      Program()[branch].other = Here();
      branch = Here();
      empty = Sequence() || empty;
    }
    for (const uint32_t end : ends) Program()[end].next = Here();
    return empty;
  }

  // Makes room at `at`, before a part that was emitted already: its own targets move with it.
  void Insert(uint32_t at, Op op) {
    const uint32_t index = op == Op::kSplit ? pattern_.splits_++ : 0;
    Program().insert(Program().begin() + at, {op, at, 0, index});
    for (uint32_t i = at; i < Here(); i++) {
      Program()[i].next++;
      if (Program()[i].other > at) Program()[i].other++;
    }
  }

  bool Sequence() {
    bool empty = true;
    while (More() && Peek() != '|' && Peek() != ')') empty = Repeated() && empty;
    return empty;
  }

  bool Repeated() {
    const uint32_t start = Here();
    const bool is_assertion = Peek() == '$' || source_.compare(at_, 2, U"(?") == 0;
    const bool empty = Atom();
    uint32_t least = 1, most = 1;
    if (!Quantifier(least, most)) return empty;
    if (Peek() == '?' || Peek() == '+') Fail("a quantifier that is not greedy");
    if (empty) Fail(is_assertion ? "a repeated assertion" : "a loop around what may be empty");
    Repeat(start, least, most);
    return least == 0;
  }

  static constexpr uint32_t kUnbounded = UINT32_MAX;

  bool Quantifier(uint32_t& least, uint32_t& most) {
    if (Take('*')) {
      least = 0, most = kUnbounded;
    } else if (Take('+')) {
      most = kUnbounded;
    } else if (Take('?')) {
      least = 0;
    } else if (Take('{')) {
      least = most = Count();
      if (Take(',')) most = Peek() == '}' ? kUnbounded : Count();
      if (!Take('}') || most < least) Fail("a bad count");
    } else {
      return false;
    }
    return true;
  }

  uint32_t Count() {
    uint32_t count = 0;
    if (Peek() < '0' || Peek() > '9') Fail("a bad count");
    while (Peek() >= '0' && Peek() <= '9') count = count * 10 + (source_[at_++] - '0');
    if (count > 1000) Fail("a count above 1000");
    return count;
  }

  // The part from `start` on stands for one repetition; all others are copies of it.
  void Repeat(uint32_t start, uint32_t least, uint32_t most) {
    const std::vector<Pattern::Instruction> part(Program().begin() + start, Program().end());
    Program().resize(start);
    const auto copy = [&] {
      const uint32_t shift = Here() - start;
      for (Pattern::Instruction instruction : part) {
        instruction.next += shift;
        instruction.other += shift;
        if (instruction.op == Op::kSplit) instruction.index = pattern_.splits_++;
        Program().push_back(instruction);
      }
    };
    for (uint32_t i = 0; i < least; i++) copy();
    if (most == kUnbounded) {
      const uint32_t split = EmitSplit();
      copy();
      Program()[Emit(Op::kJump)].next = split;
      Program()[split].other = Here();
      return;
    }
    std::vector<uint32_t> exits;
    for (uint32_t i = least; i < most; i++) {
      exits.push_back(EmitSplit());
      copy();
    }
    for (const uint32_t exit : exits) Program()[exit].other = Here();
  }

  bool Atom() {
    if (Take('$')) return Emit(Op::kEnd), true;
    if (Take('(')) return Group();
    Pattern::Class characters;
    if (Take('[')) {
      Bracket(characters);
    } else if (Take('\\')) {
      Escape(characters);
    } else if (Take('.')) {
      characters.negated = true;
      characters.Add('\n', '\n');
      characters.Add('\r', '\r');
    } else if (Peek() == '^' || Peek() == '*' || Peek() == '+' || Peek() == '?' || Peek() == '{') {
      Fail("a character that it cannot have here");
    } else {
      characters.Add(Peek(), Peek());
      at_++;
    }
    EmitClass(std::move(characters));
    return false;
  }

  void EmitClass(Pattern::Class&& characters) {
    Emit(Op::kCharacter, static_cast<uint32_t>(pattern_.classes_.size()));
    pattern_.classes_.push_back(std::move(characters));
  }

  bool Group() {
    if (!Take('?') || Take(':')) {
      const bool empty = Alternatives();
      if (!Take(')')) Fail("an open group");
      return empty;
    }
    const Op op = Take('=') ? Op::kLookahead : Take('!') ? Op::kNotAhead : Op::kAccept;
    if (op == Op::kAccept) Fail("an unknown kind of group");
    const uint32_t lookahead = Emit(op, pattern_.splits_++);
    Alternatives();
    if (!Take(')')) Fail("an open group");
    Emit(Op::kAccept);
    Program()[lookahead].other = Here();
    return true;
  }

  // One of \d \s \w and their opposites: only its characters below 128, as in the C locale.
  static bool Kind(char32_t letter, Pattern::Class& to) {
    const char32_t lower = letter | 0x20;
    const auto in = [lower](char32_t c) {
      const bool digit = c >= '0' && c <= '9';
      if (lower == 'd') return digit;
      if (lower == 's') return c == ' ' || (c >= '\t' && c <= '\r');
      return digit || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (lower != 'd' && lower != 's' && lower != 'w') return false;
    const bool opposite = letter != lower;
    for (char32_t c = 0; c < 128; c++)
      if (in(c) != opposite) to.Add(c, c);
    if (opposite) to.Add(128, UINT32_MAX);
    return true;
  }

  // After a backslash: a class, or the character that it stands for, which is returned.
  char32_t Escape(Pattern::Class& to) {
    if (!More()) Fail("a backslash at its end");
    const char32_t letter = source_[at_++];
    if (Kind(letter, to)) return 0;
    char32_t character = letter;
    switch (letter) {
      case 'n':
        character = '\n';
        break;
      case 'r':
        character = '\r';
        break;
      case 't':
        character = '\t';
        break;
      case 'f':
        character = '\f';
        break;
      case 'v':
        character = '\v';
        break;
      default:
        if (letter < 128 && (letter | 0x20) >= 'a' && (letter | 0x20) <= 'z') Fail("an unknown escape");
        if (letter >= '0' && letter <= '9') Fail("a back reference");
    }
    to.Add(character, character);
    return character;
  }

  void Bracket(Pattern::Class& to) {
    to.negated = Take('^');
    while (!Take(']')) {
      if (!More()) Fail("an open bracket");
      if (source_.compare(at_, 2, U"[:") == 0 || source_.compare(at_, 2, U"[.") == 0) Fail("a POSIX class");
      char32_t first = source_[at_++];
      if (first == '\\' && (first = Escape(to)) == 0) continue;
      char32_t last = first;
      if (Peek() == '-' && at_ + 1 < source_.size() && source_[at_ + 1] != ']') {
        at_++;
        last = source_[at_++];
        if (last == '\\' && (last = Escape(to)) == 0) Fail("a range up to a class");
        if (last < first) Fail("a range that runs backwards");
      }
      to.Add(first, last);
    }
  }

  const std::u32string& source_;
  Pattern& pattern_;
  size_t at_ = 0;
};

Pattern::Pattern(const std::u32string& source) {
  PatternParser(source, *this).Parse();
}

}  // namespace gpt4all
