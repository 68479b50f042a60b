"""Writes native/jinja/unicode-tables.h: what Python's str methods know about characters beyond ASCII.

    python3.12 test/golden/jinja/unicode-tables.py > native/jinja/unicode-tables.h && npm run format
"""
import sys, unicodedata

SURROGATES = range(0xD800, 0xE000)
CODES = [c for c in range(0x80, 0x110000) if c not in SURROGATES]

def groups(deltas):
    """[first, last, step, delta] for runs of code points that move by the same distance."""
    left, out = sorted(deltas), []
    while left:
        first = left[0]
        best = [first, first, 1]
        for step in (1, 2):
            last = first
            while deltas.get(last + step) == deltas[first]:
                last += step
            if (last - first) // step > (best[1] - best[0]) // best[2]:
                best = [first, last, step]
        run = range(best[0], best[1] + 1, best[2])
        for code in run:
            delta = deltas.pop(code)
        out.append((*best, delta))
        left = sorted(deltas)
    return sorted(out)

def ranges(codes):
    out = []
    for code in codes:
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out

def simple(method):
    return {c: ord(method(chr(c))) - c for c in CODES if len(method(chr(c))) == 1 and method(chr(c)) != chr(c)}

def special(method, beside):
    return {c: method(chr(c)) for c in CODES if len(method(chr(c))) > 1 or (beside and method(chr(c)) != beside(chr(c)))}

def lines(items, form):
    line, out = "   ", []
    for item in items:
        text = " " + form(item) + ","
        if len(line) + len(text) > 118:
            out.append(line)
            line = "   "
        line += text
    return "\n".join(out + [line])

def group(g): return "{0x%x, 0x%x, %d, %d}" % g
def pair(r): return "{0x%x, 0x%x}" % tuple(r)
def full(item):
    code, text = item
    codes = [ord(c) for c in text] + [0, 0]
    return "{0x%x, {%s}}" % (code, ", ".join("0x%x" % c if c else "0" for c in codes[:3]))

decimal_zeros = [c for c in CODES if unicodedata.decimal(chr(c), -1) == 0]
assert all(unicodedata.decimal(chr(z + i)) == i for z in decimal_zeros for i in range(10))
other_digits = [c for c in CODES if chr(c).isdigit() and not chr(c).isdecimal()]

toggles, printable = [], True
for c in range(0x80, 0x110000):
    now = c not in SURROGATES and chr(c).isprintable()
    if now != printable:
        toggles.append(c)
        printable = now

print(f"""// Generated from Python's unicodedata (Unicode {unicodedata.unidata_version}); do not edit.
#pragma once

#include <cstdint>

namespace jinja {{

struct CaseGroup {{
    uint32_t first, last, step;
  int32_t delta;
}};

struct CaseSpecial {{
  uint32_t code;
  uint32_t to[3];
}};

struct CodeRange {{
  uint32_t first, last;
}};

constexpr CaseGroup kUpperGroups[] = {{
{lines(groups(simple(str.upper)), group)}
}};

constexpr CaseGroup kLowerGroups[] = {{
{lines(groups(simple(str.lower)), group)}
}};

constexpr CaseSpecial kUpperSpecials[] = {{
{lines(special(str.upper, None).items(), full)}
}};

// Where the title case is not the upper case.
constexpr CaseSpecial kTitleSpecials[] = {{
{lines(special(str.title, str.upper).items(), full)}
}};

// Lower case letters without an upper case, and the other way round.
constexpr CodeRange kOnlyLower[] = {{
{lines(ranges([c for c in CODES if chr(c).islower() and chr(c).upper() == chr(c)]), pair)}
}};

constexpr CodeRange kOnlyUpper[] = {{
{lines(ranges([c for c in CODES if chr(c).isupper() and chr(c).lower() == chr(c)]), pair)}
}};

// Digits zero, each before its one to nine.
constexpr uint32_t kDecimalZeros[] = {{
{lines(decimal_zeros, lambda c: "0x%x" % c)}
}};

// Digits that no number is written with, such as those of powers.
constexpr CodeRange kOtherDigits[] = {{
{lines(ranges(other_digits), pair)}
}};

// Where printable characters end and where they begin again, beyond ASCII.
constexpr uint32_t kPrintableToggles[] = {{
{lines(toggles, lambda c: "0x%x" % c)}
}};

}} // Namespace jinja""")
