#include "pattern.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <unordered_map>

#include "checkpoint.h"

namespace gpt4all {

void Pattern::Class::Add(char32_t first, char32_t last) {
  for (char32_t c = first; c <= std::min<char32_t>(last, 127); c++) low[c / 64] |= uint64_t{1} << (c % 64);
  if (last > 127) ranges.emplace_back(std::max<char32_t>(first, 128), last);
}

bool Pattern::Class::Has(char32_t character) const {
  if (character < 128) return ((low[character / 64] >> (character % 64) & 1) != 0) != negated;
  const bool within = std::any_of(ranges.begin(), ranges.end(), [character](const auto& range) {
    return range.first <= character && character <= range.second;
  });
  return within != negated;
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

// The states of a text that are known: each split and lookahead at each place. Memory is taken when the
// search reaches a place, and given back after it.
class PatternStates {
 public:
  enum State : uint8_t { kUnknown, kFails, kMatches };

  PatternStates(uint32_t splits, size_t size) : splits_(splits), blocks_(size / kBlock + 1) {}

  State Get(uint32_t split, size_t at) const {
    const auto& block = blocks_[at / kBlock];
    return block ? static_cast<State>(block[at % kBlock * splits_ + split]) : kUnknown;
  }
  void Set(uint32_t split, size_t at, State state) {
    auto& block = blocks_[at / kBlock];
    if (!block) block.reset(new uint8_t[kBlock * splits_]());
    block[at % kBlock * splits_ + split] = state;
  }
  // The search never returns to places before this one.
  void Forget(size_t before) {
    for (; (forgotten_ + 1) * kBlock <= before; forgotten_++) blocks_[forgotten_].reset();
  }

 private:
  static constexpr size_t kBlock = 1024;

  const size_t splits_;
  std::vector<std::unique_ptr<uint8_t[]>> blocks_;
  size_t forgotten_ = 0;
};

class PatternMatch {
 public:
  PatternMatch(const Pattern& pattern, const char32_t* text, size_t size)
      : pattern_(pattern), text_(text), size_(size), states_(pattern.splits_ + 1, size) {}

  // The end of the match that begins at `at`; false where none does.
  bool From(size_t at, size_t& end) {
    Checkpoint();
    states_.Forget(at);
    return Run(0, at, end, false);
  }

 private:
  using Op = Pattern::Op;

  // A split on the way to where the match is now; `second` where its first branch has failed.
  struct Choice {
    uint32_t instruction;
    bool second;
    size_t at;
  };

  // Lookaheads nest as deep as the pattern does.
  bool Run(uint32_t instruction, size_t at, size_t& end, bool ahead) {
    const size_t bottom = choices_.size();
    while (true) {
      if (Follow(instruction, at, ahead)) {
        end = at;
        // The search never returns to a place on the way to a match of the whole pattern: it goes on after
        // the match.
        for (size_t i = bottom; ahead && i < choices_.size(); i++)
          states_.Set(IndexOf(choices_[i]), choices_[i].at, PatternStates::kMatches);
        choices_.resize(bottom);
        return true;
      }
      while (choices_.size() > bottom && choices_.back().second) {
        states_.Set(IndexOf(choices_.back()), choices_.back().at, PatternStates::kFails);
        choices_.pop_back();
      }
      if (choices_.size() == bottom) return false;
      choices_.back().second = true;
      instruction = pattern_.program_[choices_.back().instruction].other;
      at = choices_.back().at;
    }
  }

  uint32_t IndexOf(const Choice& choice) const { return pattern_.program_[choice.instruction].index; }

  // Goes on to the end of the pattern, by the first branch of each split; false where that does not match.
  bool Follow(uint32_t& instruction, size_t& at, bool ahead) {
    while (true) {
      const Pattern::Instruction& current = pattern_.program_[instruction];
      switch (current.op) {
        case Op::kAccept:
          return true;
        case Op::kCharacter:
          if (at == size_ || !pattern_.classes_[current.index].Has(text_[at])) return false;
          at++;
          break;
        case Op::kEnd:
          if (at != size_) return false;
          break;
        case Op::kJump:
          break;
        case Op::kSplit: {
          if (++steps_ % kSteps == 0) Checkpoint();
          const auto known = states_.Get(current.index, at);
          if (known == PatternStates::kFails) return false;
          if (known == PatternStates::kMatches && ahead) return true;
          choices_.push_back({instruction, false, at});
          break;
        }
        case Op::kLookahead:
        case Op::kNotAhead:
          if (Ahead(current, at) != (current.op == Op::kLookahead)) return false;
          instruction = current.other;
          continue;
      }
      instruction = current.next;
    }
  }

  bool Ahead(const Pattern::Instruction& lookahead, size_t at) {
    const auto known = states_.Get(lookahead.index, at);
    if (known != PatternStates::kUnknown) return known == PatternStates::kMatches;
    size_t end;
    const bool matches = Run(lookahead.next, at, end, true);
    states_.Set(lookahead.index, at, matches ? PatternStates::kMatches : PatternStates::kFails);
    return matches;
  }

  static constexpr size_t kSteps = 1 << 14;

  const Pattern& pattern_;
  const char32_t* const text_;
  const size_t size_;
  PatternStates states_;
  std::vector<Choice> choices_;
  size_t steps_ = 0;
};

void Pattern::Split(const char32_t* text, size_t size, std::vector<size_t>& lengths) const {
  PatternMatch match(*this, text, size);
  size_t done = 0;  // all up to here is in `lengths`
  for (size_t at = 0; at <= size;) {
    size_t end;
    if (!match.From(at, end)) {
      at++;
      continue;
    }
    if (at > done) lengths.push_back(at - done);
    lengths.push_back(end - at);
    done = end;
    // std::regex asks for a longer match at the same place first; no pattern here has one.
    at = end == at ? at + 1 : end;
  }
  if (done < size) lengths.push_back(size - done);
}

}  // namespace gpt4all

std::vector<size_t> gpt4all_regex_split(const std::u32string& text, const std::u32string& regex,
                                        const std::vector<size_t>& offsets) {
  // As many as llama.cpp knows.
  static std::mutex mutex;
  static auto* known = new std::unordered_map<std::u32string, std::unique_ptr<const gpt4all::Pattern>>();
  const gpt4all::Pattern* pattern = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    auto& kept = (*known)[regex];
    if (!kept) kept = std::make_unique<gpt4all::Pattern>(regex);
    return kept.get();
  }();
  std::vector<size_t> lengths;
  lengths.reserve(offsets.size());
  size_t start = 0;
  for (const size_t size : offsets) {
    pattern->Split(text.data() + start, size, lengths);
    start += size;
  }
  return lengths;
}
