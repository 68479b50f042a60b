"""Makes chat templates and what they are given: out of their grammar, or out of real templates that are mutated. Seeded."""

import re

STR = ["", "a", "B", " x ", "user", "assistant", "system", "tool", "Hello", "hello world", "\n", "<|im_start|>", "é", "ÀÉ", "ß", "😀", "日本語", "a,b,c", "k: v", "1", "42.5", "<think>", "</think>", "x</think>y", "ı", "ǆ", "'", "\"", "\\", "\t", "ﬁ", "\u00a0", "ΑΣ"]
NL = "\n"
ROLES = ["user", "assistant", "system", "tool", "developer"]

class Generator:
    def __init__(self, rng):
        self.r = rng
        self.names = []      # variables in scope (name, kind)
        self.macros = []
        self.uid = 0
        self.loop = 0
        self.ns = []

    def pick(self, *xs): return self.r.choice(xs)
    def chance(self, p): return self.r.random() < p
    def fresh(self, p="v"):
        self.uid += 1
        return f"{p}{self.uid}" if self.chance(0.7) else self.pick("x", "y", "content", "item", "tmp", "out", "message", "i")

    def lit(self, s):
        q = self.pick("'", '"')
        out = q
        for c in s:
            if c == q or c == "\\": out += "\\" + c
            elif c == "\n": out += "\\n" if self.chance(0.8) else "\n"
            elif c == "\t": out += "\\t"
            elif ord(c) > 127 and self.chance(0.1): out += "\\u%04x" % ord(c) if ord(c) < 65536 else "\\U%08x" % ord(c)
            else: out += c
        return out + q

    # --- expressions
    def string(self, d):
        r = self.r.random()
        if d <= 0 or r < 0.22: return self.lit(self.r.choice(STR))
        if r < 0.40: return self.pick("message.content", "message['content']", "message.role", "messages[0].content", "messages[-1]['content']", "messages[0]['role']", "bos_token", "eos_token", "text", "uni", "messages[0].reasoning_content", "empty", "tools[0].function.name", "tools[0].function.description")
        if r < 0.46: return f"{self.string(d-1)} {self.pick('+','~','+','~')} {self.string(d-1)}"
        if r < 0.50: return f"({self.string(d-1)} ~ {self.any(d-1)})"
        if r < 0.60: return f"{self.sub(d)}.{self.pick('strip()','lstrip()','rstrip()','upper()','lower()','title()','capitalize()','strip(%s)' % self.lit(self.pick('a',' ','xé',NL,'<>')),'lstrip(%s)' % self.lit(self.pick('a',NL,'é')),'rstrip(%s)' % self.lit(self.pick(NL,'o','😀')), 'replace(%s, %s)' % (self.lit(self.r.choice(STR)), self.lit(self.r.choice(STR))), 'replace(%s, %s, 1)' % (self.lit(self.pick('l','a','')), self.lit('_')), 'format(%s)' % self.any(d-1), 'zfill(4)','ljust(8)','rjust(7)','center(9)','removeprefix(%s)' % self.lit(self.pick('He','x')), 'swapcase()', 'join(%s)' % self.lst(d-1))}"
        if r < 0.70: return f"{self.sub(d)}{self.pick('|trim','|upper','|lower','|title','|capitalize','|string','|replace(%s,%s)' % (self.lit(self.r.choice(STR)), self.lit(self.r.choice(STR))),'|default(%s)' % self.lit(self.r.choice(STR)),'|default(%s, true)' % self.string(d-1),'|safe','|indent(2)','|indent(2, true)','|indent(width=3, first=true, blank=true)','|reverse','|truncate(5)','|trim(%s)' % self.lit('a '),'|center(7)','|e', '|format(1)', '|first', '|last')}"
        if r < 0.74: return f"{self.lst(d-1)}|join({self.pick('', self.lit(', '), self.lit(chr(10)))})"
        if r < 0.80: return f"{self.sub(d)}{self.slice()}"
        if r < 0.84: return f"{self.any(d-1)}|{self.pick('tojson','tojson(indent=2)','tojson(ensure_ascii=false)','tojson(ensure_ascii=True)','tojson(indent=4, ensure_ascii=true)','string','tojson(separators=(%s, %s))' % (self.lit(','), self.lit(':')), 'tojson(sort_keys=true)')}"
        if r < 0.88: return f"({self.string(d-1)} if {self.cond(d-1)} else {self.string(d-1)})"
        if r < 0.90: return f"({self.string(d-1)} if {self.cond(d-1)})"
        if r < 0.93: return f"{self.sub(d)} * {self.pick('2','0','-1','loop.index' if self.loop else '3')}"
        if r < 0.95: return f"{self.sub(d)}[{self.pick('0','-1','1','-2','5')}]"
        if r < 0.97 and self.macros: return self.callmacro(d)
        if r < 0.985: return f"({self.lit(self.pick('%s','%d','%s-%s','%05.2f','100%%'))} % {self.any(d-1)})"
        return f"{self.sub(d)}.{self.pick('split()','split(%s)' % self.lit(','),'split(%s)' % self.lit('</think>'))}[{self.pick('0','-1')}]"

    def sub(self, d):
        s = self.string(d - 1)
        return s if re.match(r"^[\w.\[\]'\"-]+$", s) and self.chance(0.9) else f"({s})"

    def slice(self):
        f = lambda: self.pick("", "", "1", "-1", "2", "-2", "0", "10", "loop.index0" if self.loop else "3")
        return f"[{f()}:{f()}]" if self.chance(0.7) else f"[{f()}:{f()}:{self.pick('-1','2','-2','1','')}]"

    def num(self, d):
        r = self.r.random()
        if d <= 0 or r < 0.3: return self.pick("0", "1", "2", "3", "-1", "10", "0.5", "1.0", "2.5", "-3", "1e3", "100000", "7", "num", "flt", "neg")
        if r < 0.45: return f"{self.pick('messages','message.content','tools','lst','text','nested','empty','uni')}|{self.pick('length','count')}"
        if r < 0.5 and self.loop: return self.pick("loop.index", "loop.index0", "loop.revindex", "loop.revindex0", "loop.length")
        if r < 0.72: return f"({self.num(d-1)} {self.pick('+','-','*','/','//','%','**' if self.chance(0.2) else '+')} {self.num(d-1)})"
        if r < 0.80: return f"{self.any(d-1)}|{self.pick('int','float','abs','int(7)','round','round(1)','float(1.5)','round(0, %s)' % self.lit('floor'))}"
        if r < 0.84: return f"-{self.num(d-1)}"
        if r < 0.92: return f"{self.lst(d-1)}|{self.pick('length','sum','min','max','first','last')}"
        return f"{self.sub(d)}.{self.pick('count(%s)' % self.lit(self.pick('a','l','é')), 'find(%s)' % self.lit(self.pick('l','é','zz')), 'rfind(%s)' % self.lit('l'), 'index(%s)' % self.lit('a'))}"

    def lst(self, d):
        r = self.r.random()
        if d <= 0 or r < 0.3: return self.pick("messages", "lst", "nested", "[]", "[1, 2, 3]", "['a', 'b']", "tools", "strs", "message.tool_calls", "tools[0].function.parameters.required")
        if r < 0.42: return "[" + ", ".join(self.any(d-1) for _ in range(self.r.randrange(4))) + "]"
        if r < 0.46: return "(" + ", ".join(self.any(d-1) for _ in range(self.r.randrange(2, 4))) + ")"
        if r < 0.54: return f"{self.sub(d)}.split({self.pick('', self.lit(','), self.lit(' '), self.lit(chr(10)), self.lit('l') + ', 1')})"
        if r < 0.60: return f"{self.lst(d-1)}{self.slice()}"
        if r < 0.64: return f"range({self.pick('3','0','1, 4','5, 0, -2','messages|length','2, 2')})"
        if r < 0.70: return f"{self.dct(d-1)}.{self.pick('items()','keys()','values()')}"
        if r < 0.74: return f"{self.dct(d-1)}|{self.pick('items','list','dictsort','dictsort(by=%s)' % self.lit('value'),'dictsort(reverse=true)','dictsort(true)')}"
        if r < 0.80: return f"{self.lst(d-1)}|{self.pick('list','sort','reverse','unique','reverse|list','sort(reverse=true)','batch(2)','unique|list', 'sort(attribute=%s)' % self.lit('role'), 'batch(2, 0)')}"
        if r < 0.92: return f"{self.pick('messages','messages','tools','nested','lst','strs', self.lst(d-1))}|{self.filt(d)}{self.pick('','|list','|list','|first','|length')}"
        if r < 0.95: return f"{self.lst(d-1)} + {self.lst(d-1)}"
        if r < 0.97: return f"({self.lst(d-1)} * 2)"
        return f"{self.sub(d)}.{self.pick('splitlines()','rsplit(%s, 1)' % self.lit(' '),'partition(%s)' % self.lit('l'),'rsplit()')}"

    def filt(self, d):
        return self.pick("selectattr('role', 'equalto', 'user')", "selectattr('role', 'eq', 'assistant')", "rejectattr('role', 'equalto', 'system')", "selectattr('tool_calls', 'defined')", "selectattr('content')", "rejectattr('content')", "map(attribute='role')", "map(attribute='content')", "map('upper')", "map('trim')", "map('string')", "map('length')", "select", "reject", "select('string')", "reject('none')", "reject('equalto', 'a')", "select('in', ['a', 1, 'user'])", "map(attribute='function.name')", "map(attribute='x', default='d')", "select('gt', 1)", "selectattr('function.name', 'string')", "map('tojson')", "map('replace', 'a', 'b')", "rejectattr('reasoning_content', 'undefined')", "map(attribute=0)")

    def dct(self, d):
        r = self.r.random()
        if d <= 0 or r < 0.5: return self.pick("message", "messages[0]", "obj", "{}", "{'a': 1, 'B': 2}", "tools[0].function", "tools[0]", "tools[0].function.parameters.properties", "obj.inner")
        if r < 0.9: return "{" + ", ".join(f"{self.pick(self.lit(self.pick('a','b','é','items','role')), self.pick('1','2.5','true','none'), self.string(0))}: {self.any(d-1)}" for _ in range(self.r.randrange(4))) + "}"
        return f"dict(a={self.any(d-1)}, b=2)"

    def var(self):
        if self.names and self.chance(0.8): return self.r.choice(self.names)
        return self.pick("undefinedvar", "obj.missing", "message.missing", "message['missing']", "x", "y", "content", "ns.missing" if self.ns else "tmp", "none", "true", "false", "message.tool_calls", "tools", "obj.inner.deep", "obj.get('k')", "message.get('content')", "message.get('nope', %s)" % self.string(0), "obj['items']", "obj.items", "add_generation_prompt", "enable_thinking", "nothing")

    def any(self, d):
        r = self.r.random()
        if d <= 0: return self.pick(self.string(0), self.num(0), self.var(), "none", "true", "false")
        if r < 0.33: return self.string(d)
        if r < 0.48: return self.num(d)
        if r < 0.60: return self.lst(d)
        if r < 0.70: return self.dct(d)
        if r < 0.84: return self.var()
        if r < 0.90: return f"({self.cond(d-1)})"
        if r < 0.94: return f"{self.var()}|default({self.any(d-1)})"
        if r < 0.97: return f"({self.any(d-1)} {self.pick('and','or')} {self.any(d-1)})"
        return f"({self.any(d-1)})"

    def cond(self, d):
        r = self.r.random()
        if d <= 0: return self.pick("true", "false", "message.role == 'user'", "messages", "add_generation_prompt", "loop.first" if self.loop else "tools", "loop.last" if self.loop else "not tools", self.var())
        if r < 0.25: return f"{self.any(d-1)} {self.pick('==','!=','==','!=','<','>','<=','>=')} {self.any(d-1)}"
        if r < 0.33: return f"{self.num(d-1)} {self.pick('<','>','<=','>=')} {self.num(d-1)}"
        if r < 0.36: return f"{self.num(d-1)} {self.pick('<','<=')} {self.num(d-1)} {self.pick('<','<=','==')} {self.num(d-1)}"
        if r < 0.58: return f"{self.pick(self.var(), self.any(d-1), 'message.content', 'message.tool_calls')} is {self.pick('','not ')}{self.pick('defined','none','string','mapping','iterable','sequence','number','boolean','undefined','true','false','integer','float','callable','lower','upper','odd','even','defined','defined','none','string','divisibleby 2','eq(1)','sameas none','in [1, 2]','filter')}"
        if r < 0.70: return f"{self.string(d-1)} {self.pick('in','not in')} {self.pick(self.string(d-1), self.lst(d-1), self.dct(d-1))}"
        if r < 0.76: return f"not {self.cond(d-1)}"
        if r < 0.86: return f"({self.cond(d-1)} {self.pick('and','or')} {self.cond(d-1)})"
        if r < 0.90: return f"{self.sub(d)}.{self.pick('startswith(%s)' % self.lit(self.pick('He','<','é')), 'endswith(%s)' % self.lit(self.pick('o','😀','')), 'isdigit()','isupper()','isspace()','islower()', 'startswith((%s, %s))' % (self.lit('a'), self.lit('H')))}"
        if r < 0.95 and self.loop: return self.pick("loop.first", "loop.last", "loop.previtem is defined", "loop.nextitem", "loop.index is odd", "loop.previtem.role == message.role", "loop.nextitem is defined and loop.nextitem.role == 'tool'", "loop.index0 == 1", "not loop.last")
        return f"({self.lst(d-1)}|{self.filt(d)})" if self.chance(0.5) else self.any(d-1)

    def callmacro(self, d):
        name, params = self.r.choice(self.macros)
        n = self.r.randrange(len(params) + 2)
        args = [self.any(d - 1) for _ in range(min(n, len(params) + (1 if self.chance(0.05) else 0)))]
        for p in params[len(args):]:
            if self.chance(0.4): args.append(f"{p}={self.any(d-1)}")
        if self.chance(0.02): args.append(f"zzz={self.any(0)}")
        return f"{name}({', '.join(args)})"

    # --- statements
    def tag(self, body, kind="%"):
        l = self.pick("", "", "-", "-", "-", "+" if self.chance(0.1) else "")
        r = self.pick("", "", "-", "-", "+" if kind == "%" and self.chance(0.1) else "")
        o, c = ("{%", "%}") if kind == "%" else ("{{", "}}")
        sp = self.pick(" ", " ", " ", "", "\n")
        sp2 = self.pick(" ", " ", " ", "")
        if body[:1] in "{+-" and sp == "": sp = " "
        if body[-1:] in "}+-%#" and sp2 == "": sp2 = " "
        return f"{o}{l}{sp}{body}{sp2}{r}{c}"

    def text(self):
        return self.pick("", "", "\n", "  ", "\n    ", "text", " text\n", "<|user|>", "\n\n", "é😀", "{ }", " \t\n", "{#- c -#}", "{# c #}\n", "x\n  ", "}}", "{", "# ", "%}" if self.chance(0.3) else "\n", "\u00a0")

    def block(self, d, n=None):
        n = n if n is not None else self.r.randrange(1, 4)
        return "".join(self.text() + self.stmt(d) for _ in range(n)) + self.text()

    def stmt(self, d):
        if self.chance(0.03): return self.stodd(d)
        r = self.r.random()
        if d <= 0 or r < 0.34: return self.tag(self.any(2) if self.chance(0.8) else self.string(3), "{")
        if r < 0.52: return self.stif(d)
        if r < 0.68: return self.stfor(d)
        if r < 0.82: return self.stset(d)
        if r < 0.87: return self.stmacro(d)
        if r < 0.90: return self.stns(d)
        if r < 0.92 and self.loop: return self.tag("if " + self.cond(1)) + self.text() + self.tag(self.pick("break", "continue")) + self.tag("endif")
        if r < 0.935 and self.macros: return self.stcall(d)
        if r < 0.945: return self.tag("filter " + self.pick("upper", "trim", "trim|upper", "indent(2)", "replace('a','b')")) + self.block(d-1) + self.tag("endfilter")
        if r < 0.955: return self.tag("generation") + self.block(d-1) + self.tag("endgeneration")
        if r < 0.965: return self.tag("raw") + self.pick("{{ x }}", " {% if %}", "\n text {{") + self.tag("endraw")
        if r < 0.975: return self.tag(f"with {self.pick('x','w')} = {self.any(1)}") + self.block(d-1) + self.tag("endwith")
        if r < 0.985: return self.tag(f"if {self.cond(1)}") + self.tag(f"raise_exception({self.string(1)})", "{") + self.tag("endif")
        return self.tag(self.any(3), "{")

    # --- what is read in part and twice, bounds, big numbers, filter blocks that set, names of namespaces
    def stodd(self, d):
        r = self.r.random()
        if r < 0.4: return self.stiterator(d)
        if r < 0.55:
            v = self.pick("x", "y", "content", "tmp")
            filters = self.pick(f"replace('a', {v})", f"replace('a', {v})|upper", f"default({v})", "length", "list", "first", "reverse", f"trim({v})")
            body = self.text() + self.tag(f"set {v} = {self.string(1)}") + self.pick("aba", "", "a") + self.text()
            if self.chance(0.5): return self.tag("filter " + filters) + body + self.tag("endfilter") + self.tag(f"{v}|default('-')", "{")
            return self.tag(f"set w{self.pick('', ', w2')} | {filters}") + body + self.tag("endset") + self.tag("w", "{")
        if r < 0.65:
            n = self.pick("ns", "state"); a = self.pick("_a", "__b", "items", "a", "_")
            return self.tag(f"set {n} = namespace({self.pick('', a + '=1')})") + self.tag(f"set {n}.{a} = {self.any(1)}") + self.tag(f"{n}.{a} ~ {n}['{a}'] ~ ({n}.{a} is defined)", "{")
        if r < 0.8: return self.tag(self.number_odd() + self.pick(" == ", " < ", " >= ", " + ", " - ", " // ", " / ", " % ") + self.number_odd(), "{")
        if r < 0.9:
            b = lambda: self.pick("0", "3", "-2", "1", "-1", "7", "9223372036854775800", "9223372036854775807", "-9223372036854775807", "5000000000000000000", "-4000000000000000000")
            return self.tag(f"range({b()}, {b()}, {b()}){self.pick('', '[::3]', '[::-1]', '[1:]', '[::5000000000]', '[-1]', '.start' if self.chance(0.1) else '')}{self.pick('', '|list', '|length', '|first')}", "{")
        b = lambda: self.pick("0", "1", "-1", "2", "-3", "10", "none")
        return self.tag(self.pick(
            f"'abcabc'.replace({self.pick(chr(39) * 2, repr('a'), repr('bc'))}, '-', {self.pick('0', '1', '2', '-1', '9')})", f"'aé😀a'|replace('', '-', {self.pick('0', '1', '3', '9')})",
            f"' a b  c '.{self.pick('split', 'rsplit')}({self.pick('none', repr(' '))}, {self.pick('0', '1', '-1', '9')})", f"'aéaéa'.{self.pick('find', 'rfind', 'count', 'index')}({self.pick(repr('a'), repr('éa'), chr(39) * 2)}, {b()}, {b()})",
            f"'aéa'.{self.pick('startswith', 'endswith')}({self.pick(repr('a'), chr(39) * 2)}, {b()}, {b()})", f"[1, 2, 1, 3].{self.pick('count(1)', 'index(1)', 'index(1, ' + self.pick('0', '1', '-1', '9') + ')')}",
            f"{self.pick('[1]', '1', repr('a'), '(1, [2])', '(' + repr('a') + ', 1)')} in {{'a': 1}}.{self.pick('keys()', 'items()', 'values()')}", "{'a': 1}.values() == {'a': 1}.values()",
            self.pick("{'a': 1}.keys() == {'a': 2}.keys()", "self is defined", "(5).real") if self.chance(0.1) else "none",
        ), "{")

    def number_odd(self): return self.pick("9007199254740993", "9007199254740992.0", "9223372036854775807", "1", "7", "9.21e18", "9210000000000000000", "1e300", "-1e300", "+(-0.0)", "-0.0", "0", "3", "2.5", "1e-300", "-9223372036854775807")

    def stiterator(self, d):
        self.uid += 1
        it = f"it{self.uid}"
        source = self.pick("[1, 2, 2, 3, 4]", "lst", "strs", "text", "messages", "nested", "obj")
        made = self.pick("select", "reject('none')", "map('string')", "map('default', 0)", "unique", "batch(2)", "reverse", "select('defined')|map('string')", "map('string')|select|batch(2)")
        s = self.tag(f"set {it} = {source}|{made}") + self.tag(f"set other = {it}|{self.pick('select', 'map(' + repr('string') + ')', 'unique', 'batch(2)', 'reject')}")
        read = lambda: self.tag(f"{self.pick(it, it, 'other')}{self.pick('|first', '|first', '|list', '|join', '|length', '|last', '|reverse|list', '|sum', ' is iterable')}", "{")
        some = lambda: self.pick("", read(), self.tag(f"{self.pick('2', repr('2'), 'x')} in {self.pick(it, 'other')}", "{"))
        for _ in range(self.r.randrange(1, 4)):
            test = self.pick("", "", f" if x != {self.pick('2', repr('a'))}", f" if {it}|first")
            seen = self.pick("x", "x", "loop.index ~ x", "loop.last ~ x", "loop.length ~ x", "loop.nextitem ~ x", "loop.previtem ~ x", "x ~ loop.revindex")
            leave = self.pick("", self.tag(f"if {self.pick('loop.index == 2', 'true', 'x == 2')}") + self.tag(self.pick("break", "continue")) + self.tag("endif"))
            s += self.pick(read(), self.tag(f"for x in {self.pick(it, it, 'other')}{test}") + self.tag(seen, "{") + some() + leave + some() + self.pick("", self.tag("else") + "none") + self.tag("endfor"))
        return s + read()

    def stif(self, d):
        s = self.tag("if " + self.cond(2)) + self.block(d-1)
        while self.chance(0.3): s += self.tag("elif " + self.cond(2)) + self.block(d-1)
        if self.chance(0.5): s += self.tag("else") + self.block(d-1)
        return s + self.tag("endif")

    def stfor(self, d):
        k = self.r.random(); save = list(self.names)
        if k < 0.35: h, new = "for message in " + self.pick("messages", "messages", "messages[1:]", "messages[::-1]", "messages|" + self.filt(0)), ["message"]
        elif k < 0.6: v = self.fresh("e"); h, new = f"for {v} in {self.lst(2)}", [v]
        elif k < 0.75: h, new = f"for k, v in {self.pick('obj.items()','message.items()','obj|items','obj|dictsort','tools[0].function.parameters.properties.items()', self.dct(1) + '.items()', 'pairs', 'obj' if self.chance(0.2) else 'pairs')}", ["k", "v"]
        elif k < 0.85: v = self.fresh("e"); h, new = f"for {v} in {self.pick('text','uni','obj','message.content', 'undefinedvar', self.any(1))}", [v]
        else: v = self.fresh("e"); h, new = f"for {v} in {self.lst(1)} if {self.pick(v + ' is string', self.cond(1), v + '.role == ' + chr(39) + 'user' + chr(39))}", [v]
        self.names += new; self.loop += 1
        s = self.tag(h) + self.block(d-1)
        self.loop -= 1; self.names = save
        if self.chance(0.2): s += self.tag("else") + self.block(d-1)
        return s + self.tag("endfor")

    def stset(self, d):
        k = self.r.random()
        if k < 0.7: v = self.fresh(); s = self.tag(f"set {v} = {self.any(3)}"); self.names.append(v); return s
        if k < 0.8: v = self.fresh(); s = self.tag(f"set {v}{self.pick('','','|trim','|upper')}") + self.block(d-1, 1) + self.tag("endset"); self.names.append(v); return s
        if k < 0.88: a, b = self.fresh(), self.fresh(); s = self.tag(f"set {a}, {b} = {self.pick('1, 2', self.any(1) + ', ' + self.any(1), self.lst(1))}"); self.names += [a, b]; return s
        if self.ns: n = self.r.choice(self.ns); return self.tag(f"set {n}.{self.pick('a','b','found','i')} = {self.any(2)}")
        return self.stns(d)

    def stns(self, d):
        n = self.pick("ns", "ns", "state")
        s = self.tag(f"set {n} = namespace({self.pick('', 'a=' + self.any(1), 'found=false', 'i=0, b=' + self.any(1))})")
        if n not in self.ns: self.ns.append(n)
        self.names += [n + ".a", n + ".found", n + ".i"]
        return s

    def stmacro(self, d):
        self.uid += 1
        name = f"m{self.uid}"; params = [self.pick("p", "q", "r", "message", "x") + str(i) for i in range(self.r.randrange(4))]
        k = self.r.randrange(len(params) + 1)
        sig = [p if i < k else f"{p}={self.any(1)}" for i, p in enumerate(params)]
        save, ml, sl = list(self.names), list(self.macros), self.loop
        self.names += params; self.loop = 0
        body = self.block(d-1)
        if self.chance(0.2): body += self.tag("caller()" if self.chance(0.7) else "caller(1)", "{")
        if self.chance(0.05): body += self.tag(self.pick("varargs", "kwargs"), "{")
        self.names, self.macros, self.loop = save, ml, sl
        self.macros.append((name, params))
        return self.tag(f"macro {name}({', '.join(sig)})") + body + self.tag("endmacro") + (self.tag(self.callmacro(2), "{") if self.chance(0.7) else "")

    def stcall(self, d):
        sig = self.pick("", "", "(c)", "(c, d=2)")
        return self.tag(f"call{sig} {self.callmacro(1)}") + self.block(d-1) + self.tag("endcall")

    def template(self):
        s = ""
        if self.chance(0.4): s += self.stns(0)
        if self.chance(0.5):
            return s + self.block(3, self.r.randrange(1, 4))
        self.loop += 1; self.names.append("message")
        body = self.block(2, self.r.randrange(1, 5))
        self.loop -= 1
        return s + self.tag("for message in messages") + body + self.tag("endfor") + (self.tag("if add_generation_prompt") + self.text() + self.tag(self.lit("<|assistant|>"), "{") + self.tag("endif") if self.chance(0.6) else "")

# --- contexts
def context(rng):
    def text():
        return rng.choice(["Hello", "hello world", "", "  padded \n", "日本語です", "😀👍🏽", "<think>\nhm\n</think>\n\nAnswer", "a,b,c", "it's \"quoted\"", "x\ty\x01", "ÄÖÜß", "line1\nline2\r\n", "{{ not }} {% jinja %}", "<|im_end|>", "Привет", "a" * 30, "1", "e\u0301", "\u200b", "ΑΒΓΣ", "0.5", "</think>end"])
    messages = []
    if rng.random() < 0.5: messages.append({"role": "system", "content": text()})
    for i in range(rng.randrange(0 if rng.random() < 0.1 else 1, 5)):
        if i % 2 == 0: messages.append({"role": "user", "content": text()})
        else:
            m = {"role": "assistant", "content": text()}
            if rng.random() < 0.4: m["reasoning_content"] = text()
            if rng.random() < 0.3:
                m["tool_calls"] = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": rng.choice([{"a": 1, "b": "é"}, {}, {"x": [1, 2.5, None, True], "y": {"z": "q'\""}}, "{\"a\": 1}"])}}]
                if rng.random() < 0.3: m["content"] = None
            messages.append(m)
            if "tool_calls" in m: messages.append({"role": "tool", "name": "f", "tool_call_id": "call_1", "content": text()})
    c = {"messages": messages, "bos_token": rng.choice(["<s>", ""]), "eos_token": "</s>", "add_generation_prompt": rng.random() < 0.7,
         "text": text(), "uni": rng.choice(["é😀日", "ßΣ", "", "e\u0301"]), "empty": "", "num": rng.choice([0, 1, 5, -2, 12345678901]), "flt": rng.choice([0.5, 1.0, -2.25, 1e20, 1e-7, 3.14159, 100.0]), "neg": -3,
         "lst": rng.choice([[], [3, 1, 2], ["b", "A", "c"], [1, "x", None, True, 2.5], [[1, 2], [3]]]), "strs": ["b", "A", "é", ""], "nested": [[1, [2]], {"k": [None]}, "s"],
         "pairs": [["a", 1], ["b", [2]]], "obj": rng.choice([{"a": 1, "b": "x", "inner": {"deep": [1]}}, {"items": 5, "keys": "k", "inner": None, "Z": 1, "é": "ü"}, {}, {"a": {"b": {"c": 1}}, "inner": {"q": "r"}}]), "nothing": None}
    if rng.random() < 0.5:
        c["tools"] = rng.choice([[], None, [{"type": "function", "function": {"name": "get", "description": "Gets é \"x\"", "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["a", "b"]}, "n": {"type": ["integer", "null"], "default": 2}}, "required": ["city"]}}}, {"type": "function", "function": {"name": "noop", "description": "", "parameters": {}}}]])
    if rng.random() < 0.4: c["enable_thinking"] = rng.random() < 0.5
    return c

# --- mutations of real templates
TAG = re.compile(r"\{%[-+]?.*?[-+]?%\}|\{\{[-+]?.*?[-+]?\}\}|\{#.*?#\}", re.S)
class Mutator:
    def __init__(self, sources):
        self.sources = list(sources)
        self.exprs, self.conds, self.sets = [], [], []
        for s in self.sources:
            for m in TAG.finditer(s):
                t = m.group()
                body = t[2:-2].strip("-+ \n")
                if t.startswith("{{"): self.exprs.append(body)
                elif body.startswith(("if ", "elif ")): self.conds.append(body.split(None, 1)[1])
                elif body.startswith("set ") and "=" in body: self.sets.append(body)
        self.blocks = []
        for s in self.sources: self.blocks += self.find_blocks(s)

    def find_blocks(self, s):
        out, stack = [], []
        for m in TAG.finditer(s):
            if not m.group().startswith("{%"): continue
            w = m.group()[2:].lstrip("-+ \n").split(None, 1)
            w = re.match(r"\w*", w[0]).group() if w else ""
            if w in ("if", "for", "macro"): stack.append((w, m.start()))
            elif w in ("endif", "endfor", "endmacro") and stack:
                k, st = stack.pop()
                if k == w[3:] and m.end() - st < 1500: out.append(s[st:m.end()])
        return out

    def mutate(self, rng):
        g = Generator(rng); g.names = ["message", "content"]; g.loop = 1
        s = rng.choice(self.sources)
        if len(s) > 6000 and rng.random() < 0.7:
            s = rng.choice([x for x in self.sources if len(x) <= 6000])
        for _ in range(rng.randrange(1, 6)):
            tags = list(TAG.finditer(s))
            if not tags: break
            m = rng.choice(tags); t = m.group(); k = rng.random()
            def put(x, m=m): return s[:m.start()] + x + s[m.end():]
            if k < 0.15:  # whitespace control
                o, c = t[:2], t[-2:]
                body = t[2:-2].lstrip("-+").rstrip("-+") if not t.startswith("{#") else t[2:-2]
                s = put(o + rng.choice(["", "-"]) + (" " if body[:1] in "-+" else "") + body + rng.choice(["", "-"]) + c)
            elif k < 0.35 and t.startswith("{{"): s = put("{{" + rng.choice(["", "-"]) + " " + rng.choice([rng.choice(self.exprs), g.any(2), g.string(2)]) + " " + rng.choice(["", "-"]) + "}}")
            elif k < 0.5 and re.match(r"\{%[-+]?\s*(el)?if ", t): s = put(re.match(r"\{%[-+]?\s*(el)?if ", t).group() + rng.choice([rng.choice(self.conds), g.cond(2)]) + rng.choice([" %}", " -%}"]))
            elif k < 0.6: s = s[:m.start()] + rng.choice([g.tag(rng.choice(self.sets)), g.stmt(1), rng.choice(self.blocks), g.tag(rng.choice(self.exprs), "{")]) + s[m.start():]
            elif k < 0.75: # swap operators and names within the tag
                subs = [("==", "!="), (" and ", " or "), (" or ", " and "), ("+", "~"), ("~", "+"), ("user", "assistant"), ("first", "last"), ("index0", "index"), ("loop.index", "loop.revindex"), (".strip()", "|trim"), ("|trim", ".strip()"), ("is not ", "is "), ("is defined", "is none"), ("is string", "is mapping"), ("[0]", "[-1]"), ("[1:]", "[:-1]"), ("content", "role"), ("true", "false"), ("none", "''"), ("not ", ""), ("tojson", "string"), ("'\\n'", "'é'"), ("message.", "messages[0]."), ("['content']", ".content"), ("|tojson", "|tojson(indent=2)"), (" in ", " not in "), (" if ", " if not "), ("upper", "title"), ("items()", "keys()"), ("|length", "|list|length"), ("namespace(", "dict(" if rng.random() < 0.1 else "namespace(")]
                rng.shuffle(subs)
                for a, b in subs:
                    if a in t:
                        s = put(t.replace(a, b, 1)); break
            elif k < 0.82 and t.startswith(("{{", "{#")): s = put("")
            elif k < 0.88: s = s[:m.start()] + rng.choice([" ", "\n", "\n   ", "é", "text"]) + s[m.start():]
            else:
                b = [x for x in self.find_blocks(s)]
                if b:
                    x = rng.choice(b); y = rng.choice([rng.choice(self.blocks), x + x, "", g.stmt(2)])
                    s = s.replace(x, y, 1)
        return s
