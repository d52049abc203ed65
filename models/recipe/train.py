"""Train the network for a given wall-clock time; the learning rate falls to zero exactly at the end of it.

    python train.py --shards DIR --out CHECKPOINT --minutes 75 [--device cuda --batch-frames 48000]

Loss: CTC on the tokens, and, as a helper that is thrown away, the phoneme of each frame as espeak-ng timed it.
The checkpoint is rewritten every two minutes; started again, training goes on from it. New shards are picked up as they come.
All features lie on the device that trains, as 16-bit floats (100 hours: 4 GB).
"""
import argparse
import math
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import line
import net as network
import testset
import texts

PEAK_RATE, WARM_UP = 3e-3, 300
REFRESH = 15          # seconds between looks for new shards
STRETCH = np.linspace(0.88, 1.12, 25)   # of the frequency axis, as another length of the vocal tract would (Jaitly and Hinton 2013)


class Corpus:
    """All utterances of all shards on one device, in batches of like length."""

    def __init__(self, folder, device):
        self.folder, self.device, self.seen, self.phone_names, self.looked = folder, device, set(), {"sil": 0}, 0.0
        self.feats = torch.zeros(0, line.KEPT, dtype=torch.float16, device=device)
        self.phones = torch.zeros(0, dtype=torch.int64, device=device)
        self.tokens = torch.zeros(0, dtype=torch.int64, device=device)
        self.frames, self.counts = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def refresh(self):
        if time.time() - self.looked < REFRESH:
            return self
        self.looked, new = time.time(), [p for p in sorted(self.folder.glob("shard*[0-9].npz")) if p not in self.seen]
        parts = [self._read(path) for path in new]
        self.seen.update(new)
        if parts:
            join = lambda held, at: torch.cat([held] + [torch.from_numpy(p[at]).to(self.device) for p in parts])
            self.feats, self.phones, self.tokens = join(self.feats, 0), join(self.phones, 1), join(self.tokens, 2)
            self.frames = np.concatenate([self.frames] + [p[3] for p in parts]).astype(np.int64)
            self.counts = np.concatenate([self.counts] + [p[4] for p in parts]).astype(np.int64)
            self.starts, self.token_starts = (np.cumsum(n) - n for n in (self.frames, self.counts))
        return self

    def _read(self, path):
        z = np.load(path)
        names = self.phone_names

        def number(name):   # -1: not told
            full = len(names) == network.PHONES and name not in names
            return -1 if name == "?" or full else names.setdefault(name, len(names))
        table = np.array([number(str(n)) for n in z["names"]])
        return z["feats"], table[z["phones"]].astype(np.int64), z["tokens"].astype(np.int64), z["frames"], z["token_counts"]

    def hours(self):
        return self.frames.sum() / 360000

    def batches(self, rng, batch_frames):
        """Indices of utterances, at most `batch_frames` feature frames together."""
        order = np.argsort(self.frames + rng.uniform(0, 60, len(self.frames)))
        out, batch = [], []
        for i in order:
            if batch and self.frames[i] * (len(batch) + 1) > batch_frames:
                out.append(np.array(batch))
                batch = []
            batch.append(i)
        rng.shuffle(out)
        return out

    def batch(self, chosen):
        """-> features (N, T, KEPT), which of them are real (N, T), phonemes (N, T / 4), tokens, output frames, tokens of each."""
        frames, counts = self.frames[chosen], self.counts[chosen]
        at = torch.arange(int(frames.max()), device=self.device)
        real = at < torch.from_numpy(frames).to(self.device)[:, None]
        place = torch.where(real, torch.from_numpy(self.starts[chosen]).to(self.device)[:, None] + at, 0)
        x = torch.where(real[..., None], self.feats[place].float(), line.FLOOR)
        late, out = network.LOOK_AHEAD, at[:len(at) // 4]
        told = (out >= late) & (out < torch.from_numpy(frames // 4).to(self.device)[:, None])
        place = torch.where(told, torch.from_numpy(self.starts[chosen] // 4).to(self.device)[:, None] + out - late, 0)
        phones = torch.where(told, self.phones[place], -1)
        take = np.concatenate([np.arange(s, s + n) for s, n in zip(self.token_starts[chosen], counts)])
        tokens = self.tokens[torch.from_numpy(take).to(self.device)]
        return x, real, phones, tokens, torch.from_numpy(frames // 4), torch.from_numpy(counts)


class Augment:
    """Other vocal tracts, telephones and levels, and SpecAugment (Park et al. 2019), drawn anew for every batch."""

    def __init__(self, mean):
        hz = line.mel_centres()
        places = np.stack([np.interp(hz * a, hz, np.arange(line.KEPT)) for a in STRETCH])
        self.low = torch.from_numpy(np.floor(places).astype(np.int64).clip(0, line.KEPT - 2)).to(mean.device)
        self.part = torch.from_numpy(places).float().to(mean.device) - self.low
        bins = torch.arange(line.KEPT, device=mean.device)
        self.waves = torch.stack([torch.cos(math.pi * k * (bins + 0.5) / line.KEPT) for k in (1, 2, 3)])
        self.mean = mean

    def __call__(self, x, real, frames):
        n, t, bins = x.shape
        draw = lambda *shape: torch.rand(*shape, device=x.device)
        which = torch.where(draw(n) < 0.7, (draw(n) * len(STRETCH)).long(), len(STRETCH) // 2)
        low, part = self.low[which][:, None].expand(n, t, bins), self.part[which][:, None]
        x = x.gather(2, low) * (1 - part) + x.gather(2, low + 1) * part
        tilt = torch.randn(n, 3, device=x.device) * 0.4 * (draw(n, 1) < 0.7)
        x = torch.clamp(x + (tilt @ self.waves + draw(n, 1) * 2 - 1)[:, None], min=line.FLOOR)
        hidden = torch.zeros(n, t, bins, dtype=torch.bool, device=x.device)
        at, along = torch.arange(bins, device=x.device), torch.arange(t, device=x.device)
        frames = frames.to(x.device)[:, None] * network.STACK
        for _ in range(2):
            width, start = draw(n, 1) * 10, draw(n, 1)
            first = start * (bins - width)
            hidden |= ((at >= first) & (at < first + width))[:, None]
            width = draw(n, 1) * torch.clamp(frames / 6, max=12)
            first = draw(n, 1) * (frames - width)
            hidden |= ((along >= first) & (along < first + width))[..., None]
        x = torch.where(hidden, self.mean, x)
        return torch.where(real[..., None], x, line.FLOOR)


class Dev:
    """A small set of unseen voices and sentences (another seed than the test), to see how it goes."""

    def __init__(self, names, device, per_language=40):
        self.names, self.device, self.items = names, device, []
        for u in testset.make(per_language, seed=2):
            wave = np.concatenate([u["wave"], np.zeros(4000, np.float32)])
            feats = line.features(line.to_16k(wave))[:, :line.KEPT]
            self.items.append((feats[:len(feats) // 16 * 16], u["units"], u["language"]))

    def __call__(self, net):
        wrong, flat, total = (dict.fromkeys(texts.LANGUAGES, 0) for _ in range(3))
        net.eval()
        with torch.no_grad():
            for feats, reference, language in self.items:
                best = net(torch.from_numpy(feats).to(self.device)[None], net.fresh(1, self.device))[0][0].argmax(-1).tolist()
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


def begin(args, names, corpus):
    """Networks, optimiser and how far it has come: from the checkpoint, or fresh."""
    net, average = network.Net(len(names)), network.Net(len(names))
    state = {"step": 0, "first": 0, "spent": 0.0}
    was = torch.load(args.out, weights_only=False, map_location="cpu") if args.out.exists() else None
    if was:
        widen(net, was["net"], was["names"], names), widen(average, was["average"], was["names"], names)
        state.update(step=was["step"], spent=was["spent"], first=0 if was["names"] == names else was["step"])
        corpus.phone_names = was["phone_names"]
    corpus.refresh()
    while not len(corpus.frames):
        time.sleep(1)
        corpus.refresh()
    if not was:
        sample = corpus.feats[::9][:400000].float().cpu()
        net.mean.copy_(sample.mean(0)), net.scale.copy_(1 / sample.std(0))
        average.load_state_dict(net.state_dict())
    net, average = net.to(args.device), average.to(args.device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    if was and was["names"] == names:
        optimiser.load_state_dict(was["optimiser"])
    return net, average, optimiser, state


def learn(net, average, optimiser, augment, batch, rate, step):
    """One step -> both losses, still on the device."""
    x, real, phones, targets, frames, counts = batch
    for group in optimiser.param_groups:
        group["lr"] = rate
    log_probs, _, middle = net(augment(x, real, frames), net.fresh(len(x), x.device))
    ctc = F.ctc_loss(log_probs.transpose(0, 1), targets, frames, counts, zero_infinity=True)
    helper = F.cross_entropy(net.phones(middle).flatten(0, 1), phones.flatten(), ignore_index=-1)
    optimiser.zero_grad(set_to_none=True)
    (ctc + 0.5 * helper).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    keep = min(0.9995, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - keep)
    return torch.stack([ctc.detach(), helper.detach()])


def main(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng, names = np.random.default_rng(args.seed), list(texts.vocabulary())
    corpus = Corpus(args.shards, args.device)
    dev = Dev(names, args.device)
    net, average, optimiser, state = begin(args, names, corpus)
    augment, step, first = Augment(net.mean), state["step"], state["first"]
    weights = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in net.phones.parameters())
    print(f"{weights / 1e6:.2f} M weights, {len(names)} tokens, {corpus.hours():.1f} h in {len(corpus.seen)} shards", flush=True)
    began = shown = saved = tested = time.time()
    spent, losses, heard, budget = state["spent"], [], 0, args.minutes * 60
    before = spent
    while spent < budget:
        for chosen in corpus.refresh().batches(rng, args.batch_frames):
            rate = args.rate * min(1, (step - first + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(1, spent / budget))) + 1e-6
            losses.append(learn(net, average, optimiser, augment, corpus.batch(chosen), rate, step))
            step += 1
            heard += corpus.frames[chosen].max() * len(chosen) / 100
            now = time.time()
            spent, over = before + now - began, before + now - began >= budget
            if now - shown > 20 or over:
                a, b = torch.stack(losses).mean(0).tolist()
                print(f"{spent / 60:5.1f} min  step {step}  ctc {a:.3f}  phoneme {b:.3f}  {heard / (now - shown):.0f}x real time  "
                      f"{corpus.hours():.0f} h  {max(0, budget - spent) / 60:.1f} min left", flush=True)
                shown, losses, heard = now, [], 0
            if now - tested > args.test_every or over:
                print("      unit error (without tone), unseen voices and sentences:  " + dev(average), flush=True)
                tested = time.time()
            if now - saved > 120 or over:
                save(args.out, net=net.state_dict(), average=average.state_dict(), optimiser=optimiser.state_dict(), step=step,
                     spent=spent, names=names, phone_names=corpus.phone_names, hours=corpus.hours(), seed=args.seed, device=args.device)
                saved = time.time()
            if over:
                return


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--shards", type=pathlib.Path, required=True)
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--minutes", type=float, default=75)
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--batch-frames", type=int, default=8000, help="feature frames of 10 ms in a batch; 48000 keeps a GPU busy")
    ask.add_argument("--rate", type=float, default=PEAK_RATE, help="highest learning rate")
    ask.add_argument("--test-every", type=float, default=180, help="seconds between looks at unseen voices")
    ask.add_argument("--threads", type=int, default=2)
    ask.add_argument("--seed", type=int, default=7)
    main(ask.parse_args())
