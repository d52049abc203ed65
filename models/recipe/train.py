"""Train the network for a given wall-clock time; the learning rate falls to zero exactly at the end of it.

    python train.py --shards DIR --out CHECKPOINT --minutes 75

Loss: CTC on the tokens, and, as a helper that is thrown away, the phoneme of each frame as espeak-ng timed it.
The checkpoint is rewritten every two minutes; started again, training goes on from it. New shards are picked up as they come.
"""
import argparse
import math
import os
import pathlib
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

import line
import net as network
import testset
import texts

PEAK_RATE, WARM_UP, BATCH_FRAMES = 3e-3, 300, 8000


class Corpus:
    """All utterances of all shards in memory, in batches of like length."""

    def __init__(self, folder):
        self.folder, self.seen, self.items, self.phone_names = folder, set(), [], {"sil": 0}

    def refresh(self):
        for path in sorted(self.folder.glob("shard???.npz")):
            if path in self.seen:
                continue
            self.seen.add(path)
            z = np.load(path)
            number = lambda n: -1 if n == "?" else self.phone_names.setdefault(n, len(self.phone_names))   # "?": not told
            table = np.array([number(str(n)) for n in z["names"]])
            feats, phones, tokens = z["feats"], table[z["phones"]].astype(np.int16), z["tokens"]
            f = t = 0
            for frames, count in zip(z["frames"], z["token_counts"]):
                self.items.append((feats[f:f + frames], phones[f // 4:(f + frames) // 4], tokens[t:t + count]))
                f, t = f + frames, t + count
        assert len(self.phone_names) <= network.PHONES
        return self

    def hours(self):
        return sum(len(i[0]) for i in self.items) / 360000

    def batches(self, rng):
        order = sorted(range(len(self.items)), key=lambda i: len(self.items[i][0]) + rng.uniform(0, 60))
        out, batch = [], []
        for i in order:
            if batch and len(self.items[i][0]) * (len(batch) + 1) > BATCH_FRAMES:
                out.append(batch)
                batch = []
            batch.append(self.items[i])
        rng.shuffle(out)
        return out


def mask(feats, mean, rng):
    """SpecAugment, and a small change of level."""
    feats += rng.uniform(-1.0, 1.0)
    for _ in range(2):
        width = rng.randrange(0, 10)
        at = rng.randrange(0, line.KEPT - width)
        feats[:, at:at + width] = mean[at:at + width]
    for _ in range(2):
        width = rng.randrange(0, min(10, len(feats) // 6 + 1))
        at = rng.randrange(0, len(feats) - width)
        feats[at:at + width] = mean
    return feats


def collate(batch, mean, rng):
    longest = max(len(f) for f, _, _ in batch)
    x = np.full((len(batch), longest, line.KEPT), line.FLOOR, np.float32)
    phones = np.full((len(batch), longest // 4), -1, np.int64)
    for k, (feats, marks, _) in enumerate(batch):
        x[k, :len(feats)] = mask(feats.astype(np.float32), mean, rng)
        late = network.LOOK_AHEAD
        phones[k, late:len(marks)] = marks[:len(marks) - late]
    targets = np.concatenate([t for _, _, t in batch]).astype(np.int64)
    return (torch.from_numpy(x), torch.from_numpy(phones), torch.from_numpy(targets),
            torch.tensor([len(f) // 4 for f, _, _ in batch]), torch.tensor([len(t) for _, _, t in batch]))


class Dev:
    """A small set of unseen voices and sentences (another seed than the test), to see how it goes."""

    def __init__(self, names, per_language=40):
        self.names, self.items = names, []
        for u in testset.make(per_language, seed=2):
            wave = np.concatenate([u["wave"], np.zeros(4000, np.float32)])
            feats = line.features(line.to_16k(wave))[:, :line.KEPT]
            self.items.append((feats[:len(feats) // 16 * 16], u["units"], u["language"]))

    def __call__(self, net):
        wrong, flat, total = (dict.fromkeys(texts.LANGUAGES, 0) for _ in range(3))
        net.eval()
        with torch.no_grad():
            for feats, reference, language in self.items:
                best = net(torch.from_numpy(feats)[None], net.fresh(1))[0][0].argmax(-1).tolist()
                heard = testset.greedy(best, self.names)
                wrong[language] += testset.distance(reference, heard)
                flat[language] += testset.distance(toneless(reference), toneless(heard))
                total[language] += len(reference)
        net.train()
        return "  ".join(f"{k} {100 * wrong[k] / total[k]:.1f} % ({100 * flat[k] / total[k]:.1f} %)" for k in wrong)


def toneless(spelled):
    return [u.rstrip("123456") for u in spelled]


def widen(net, weights, old_names, names):
    """Load weights; where the templates have brought new tokens, their rows start fresh and the known ones move to their new place."""
    at = {n: i for i, n in enumerate(old_names)}
    rows = [i for i, n in enumerate(names) if n in at]
    for key in ("leave.weight", "leave.bias"):
        fresh = net.state_dict()[key].clone()
        fresh[rows] = weights[key][[at[names[i]] for i in rows]]
        weights[key] = fresh
    net.load_state_dict(weights)


def save(path, **what):
    torch.save(what, str(path) + ".part")
    os.replace(str(path) + ".part", path)


def main(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    names = list(texts.vocabulary())
    corpus = Corpus(args.shards).refresh()
    while not corpus.items:
        time.sleep(5)
        corpus.refresh()
    net, average = network.Net(len(names)), network.Net(len(names))
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    step, first, spent = 0, 0, 0.0
    if args.out.exists():
        was = torch.load(args.out, weights_only=False)
        widen(net, was["net"], was["names"], names), widen(average, was["average"], was["names"], names)
        if was["names"] == names:
            optimiser.load_state_dict(was["optimiser"])
        step, spent, corpus.phone_names = was["step"], was["spent"], was["phone_names"]
        first = 0 if was["names"] == names else step   # a fresh optimiser warms up again
        corpus.seen, corpus.items = set(), []
        corpus.refresh()
    else:
        sample = np.concatenate([i[0][::9] for i in corpus.items[:800]]).astype(np.float32)
        net.mean.copy_(torch.from_numpy(sample.mean(0))), net.scale.copy_(torch.from_numpy(1 / sample.std(0)))
        average.load_state_dict(net.state_dict())
    mean, dev = net.mean.numpy(), Dev(names)
    weights = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in net.phones.parameters())
    print(f"{weights / 1e6:.2f} M weights, {len(names)} tokens, {corpus.hours():.1f} h in {len(corpus.seen)} shards", flush=True)
    began = shown = saved = tested = time.time()
    before, losses, heard, budget = spent, [], 0, args.minutes * 60
    while spent < budget:
        for batch in corpus.batches(rng):
            x, phones, targets, frames, counts = collate(batch, mean, rng)
            rate = PEAK_RATE * min(1, (step - first + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(1, spent / budget))) + 1e-6
            for group in optimiser.param_groups:
                group["lr"] = rate
            log_probs, _, middle = net(x, net.fresh(len(batch)))
            ctc = F.ctc_loss(log_probs.transpose(0, 1), targets, frames, counts, zero_infinity=True)
            helper = F.cross_entropy(net.phones(middle).flatten(0, 1), phones.flatten(), ignore_index=-1)
            optimiser.zero_grad(set_to_none=True)
            (ctc + 0.5 * helper).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            step += 1
            keep = min(0.999, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - keep)
            losses.append((ctc.item(), helper.item()))
            heard += x.shape[0] * x.shape[1] / 100
            now = time.time()
            spent = before + now - began
            if now - shown > 20:
                a, b = np.mean(losses, 0)
                print(f"{spent / 60:5.1f} min  step {step}  ctc {a:.3f}  phoneme {b:.3f}  {heard / (now - shown):.0f}x real time  "
                      f"{max(0, budget - spent) / 60:.1f} min left", flush=True)
                shown, losses, heard = now, [], 0
            if now - tested > 180 or spent >= budget:
                print("      unit error (without tone), unseen voices and sentences:  " + dev(average), flush=True)
                tested = time.time()
            if now - saved > 120 or spent >= budget:
                save(args.out, net=net.state_dict(), average=average.state_dict(), optimiser=optimiser.state_dict(), step=step,
                     spent=spent, names=names, phone_names=corpus.phone_names, hours=corpus.hours(), seed=args.seed)
                saved = time.time()
            if spent >= budget:
                return
        corpus.refresh()


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--shards", type=pathlib.Path, required=True)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--minutes", type=float, default=75)
    ask.add_argument("--threads", type=int, default=2)
    ask.add_argument("--seed", type=int, default=7)
    main(ask.parse_args())
