"""Words from the network's rows: CTC prefix search along lexicon.tsv with a 3-gram from phrases.tsv.

The gateway's own search is Rust (src/engine/recogniser/ctc); this is the same search, narrower and without a hotline's leaning,
so that the recipe can measure characters and words by itself. Weights are those of the gateway's BeamConfig.
"""
import collections
import math

import units

BEGIN, END = -1, -2
HYPOTHESES, UNITS, FLOOR, WIDTH, HOMOPHONES = 64, 12, -8.0, 14.0, 24
LANGUAGE, REWARD, SWITCH = 0.55, 1.6, 2.0
DISCOUNT, END_PRIOR, SURE_BLANK = 0.6, 0.1, -0.001
NEVER = -1e30
PREFIX = {"y": "yue", "m": "cmn", "e": "eng"}


class Node:
    __slots__ = ("children", "words", "prospect")

    def __init__(self):
        self.children, self.words, self.prospect = {}, [], NEVER


class Decoder:
    """Lexicon tree and language model of one model folder."""

    def __init__(self, folder):
        names = [l.rsplit(" ", 1)[0] for l in (folder / "tokens.txt").read_text("utf-8").splitlines()]
        number = {n: i for i, n in enumerate(names)}
        self.tongue = [PREFIX.get(n.split(":")[0], "") for n in names]
        readings, totals = collections.defaultdict(list), collections.Counter()
        for line in (folder / "lexicon.tsv").read_text("utf-8").splitlines():
            if line.startswith("#"):
                continue
            text, language, spelled, count = line.split("\t")
            readings[text, language].append(([number[u] for u in spelled.split(" ")], float(count)))
            totals[language] += float(count)
        self.words, self.id, self.prior, self.root = [], {}, [], Node()
        for (text, language), found in sorted(readings.items()):
            share = sum(c for _, c in found)
            word = self.id[text, language] = len(self.words)
            self.words.append((text, language))
            self.prior.append(math.log(share / totals[language]))
            for spelled, count in found:
                node = self.root
                for unit in spelled:
                    node = node.children.setdefault(unit, Node())
                node.words.append((word, math.log(count / share)))
        self._settle(self.root)
        self._learn(folder)

    def _settle(self, node):
        node.words.sort(key=lambda w: -(self.prior[w[0]] + w[1]))
        own = self.prior[node.words[0][0]] + node.words[0][1] if node.words else NEVER
        node.prospect = max([own] + [self._settle(c) for c in node.children.values()])
        return node.prospect

    def _learn(self, folder):
        self.counts, self.after = [collections.Counter() for _ in range(3)], [collections.Counter(), collections.Counter()]
        for line in (folder / "phrases.tsv").read_text("utf-8").splitlines():
            if line.startswith("#"):
                continue
            count, language, text = line.split("\t")
            count, whole = float(count), text[0] not in "~="
            found = [self.id.get((w, "eng" if w[0].isascii() else language)) for w in units.words(text.lstrip("~="))]
            if None in found:
                continue
            if text[0] == "=":
                self.counts[len(found) - 1][tuple(found)] += count
                continue
            row = [BEGIN, BEGIN] + found + [END] if whole else found
            for at, word in enumerate(row):
                for n in range(min(at, 2) + 1):
                    if word != BEGIN:
                        self.counts[n][tuple(row[at - n:at + 1])] += count
        self.total = sum(self.counts[0].values())
        self.kinds = collections.Counter()
        for n in (1, 2):
            for gram, count in self.counts[n].items():
                self.after[n - 1][gram[:-1]] += count
                self.kinds[gram[:-1]] += 1
        self.known = {}

    def likelihood(self, history, word):
        key = (*history, word)
        if key not in self.known:
            given = DISCOUNT * len(self.counts[0])
            base = END_PRIOR if word == END else math.exp(self.prior[word]) / 3
            p = (max(0.0, self.counts[0][word,] - DISCOUNT) + given * base) / max(1.0, self.total + given)
            for n in (1, 2):
                context = key[2 - n:2]
                total = self.after[n - 1].get(context)
                if not total:
                    break
                kept = max(0.0, self.counts[n].get(key[2 - n:], 0.0) - DISCOUNT)
                p = (kept + min(total, DISCOUNT * self.kinds[context]) * p) / max(kept, total)
            self.known[key] = math.log(max(p, 1e-12))
        return self.known[key]

    def __call__(self, rows):
        """(frames, units) log probabilities -> words as texts."""
        # (history, node, last unit) -> [blank score, other score, words]
        living = {(BEGIN, BEGIN, self.root, 0): [0.0, NEVER, None]}
        for row in rows:
            blank = float(row[0])
            if blank > SURE_BLANK:
                for h in living.values():
                    h[0], h[1] = max(h[0], h[1]) + blank, NEVER
                continue
            likely = [(int(u), float(row[u])) for u in row.argpartition(-UNITS - 1)[-UNITS - 1:] if u and row[u] > FLOOR]
            top = max([blank] + [p for _, p in likely])
            best = max(max(h[0], h[1]) for h in living.values())
            living = self._step(living, row, blank, likely, best + top - WIDTH, top)
        whole = [(max(h[0], h[1]) + LANGUAGE * self.likelihood(k[:2], END), h[2]) for k, h in living.items() if k[2] is self.root]
        found = max(whole, key=lambda x: x[0])[1] if whole else None
        out = []
        while found:
            out.append(self.words[found[0]][0])
            found = found[1]
        return out[::-1]

    def _step(self, living, row, blank, likely, floor, top):
        after = {}

        def keep(key, b, o, link):
            known = after.get(key)
            if known is None:
                after[key] = [b, o, link]
                return
            if max(b, o) > max(known[0], known[1]):
                known[2] = link
            known[0], known[1] = max(known[0], b), max(known[1], o)

        for (h1, h2, node, last), (b, o, link) in living.items():
            total = max(b, o)
            if total + top < floor:
                continue
            keep((h1, h2, node, last), total + blank, NEVER, link)
            if last:
                keep((h1, h2, node, last), NEVER, o + float(row[last]), link)
            at_root, charged = node is self.root, 0.0 if node is self.root else node.prospect
            for unit, p in likely:
                child = node.children.get(unit)
                if child is None:
                    continue
                score = (b if unit == last else total) + p + LANGUAGE * (child.prospect - charged)
                if at_root and h2 != BEGIN and self.words[h2][1] != self.tongue[unit]:
                    score -= SWITCH
                if score < floor:
                    continue
                if child.children:
                    keep((h1, h2, child, unit), NEVER, score, link)
                for word, share in child.words[:HOMOPHONES]:
                    ended = score + LANGUAGE * (self.likelihood((h1, h2), word) + share - child.prospect) + REWARD
                    if ended >= floor:
                        keep((h2, word, self.root, unit), NEVER, ended, (word, link))
        kept = sorted(after.items(), key=lambda x: -max(x[1][0], x[1][1]))[:HYPOTHESES]
        return dict(kept)
