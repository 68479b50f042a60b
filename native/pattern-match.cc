// Pattern::Split(), which searches a text for matches.
#include <algorithm>
#include <memory>

#include "checkpoint.h"
#include "pattern.h"

namespace gpt4all {

bool Pattern::Class::Has(char32_t character) const {
  if (character < 128) return ((low[character / 64] >> (character % 64) & 1) != 0) != negated;
  const bool within = std::any_of(ranges.begin(), ranges.end(), [character](const auto& range) {
    return range.first <= character && character <= range.second;
  });
  return within != negated;
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
