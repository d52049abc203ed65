"""The network: a stack of small dilated convolutions over 40 ms frames, streaming by a cache of past frames.

The residual path of the first blocks runs some frames late, so each block also sees that many frames ahead:
LOOK_AHEAD frames of 40 ms in all. One tensor carries all state, which is what sherpa-onnx's NeMo interface can hold.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

import line

STACK = 4                              # feature frames to one output frame
WIDTH, HIDDEN, TAPS = 224, 512, 5
DILATION = (1, 1, 2, 2, 4, 8, 2)
LATE = (1, 1, 2, 2, 0, 0, 0)
LOOK_AHEAD = sum(LATE)
CONTEXT = (TAPS - 1) * max(DILATION)   # past frames kept by each block
PHONE_BLOCK = 5                        # the phoneme helper reads the output of this many blocks
PHONES = 320


class Block(nn.Module):
    def __init__(self, dilation, late, drop):
        super().__init__()
        self.dilation, self.late = dilation, late
        self.taps = nn.Parameter(torch.randn(TAPS, WIDTH) * 0.2)
        self.norm, self.drop = nn.LayerNorm(WIDTH), nn.Dropout(drop) if drop else nn.Identity()
        self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x, cache):
        """x (N, T, WIDTH), cache (N, CONTEXT, WIDTH) -> the same two, one step on."""
        past, t = torch.cat([cache, x], 1), x.shape[1]
        start = CONTEXT - (TAPS - 1) * self.dilation
        y = sum(self.taps[k] * past[:, start + k * self.dilation:start + k * self.dilation + t] for k in range(TAPS))
        y = self.drop(self.down(F.silu(self.up(self.norm(y)))))
        return past[:, CONTEXT - self.late:CONTEXT - self.late + t] + y, past[:, -CONTEXT:]


class Net(nn.Module):
    def __init__(self, tokens, drop=0.0):
        super().__init__()
        self.register_buffer("mean", torch.zeros(line.KEPT))
        self.register_buffer("scale", torch.ones(line.KEPT))
        self.enter, self.enter_norm = nn.Linear(STACK * line.KEPT, WIDTH), nn.LayerNorm(WIDTH)
        self.blocks = nn.ModuleList(Block(d, late, drop) for d, late in zip(DILATION, LATE))
        self.leave_norm, self.leave = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, tokens)
        self.phones = nn.Linear(WIDTH, PHONES)   # training only

    def forward(self, feats, cache):
        """feats (N, T, KEPT) with T a multiple of STACK, cache (N, blocks, CONTEXT, WIDTH) -> log probabilities, cache, middle."""
        n, t, bins = feats.shape
        x = (torch.clamp(feats, min=line.FLOOR) - self.mean) * self.scale
        x = self.enter_norm(self.enter(x.reshape(n, t // STACK, STACK * bins)))
        kept, middle = [], None
        for i, block in enumerate(self.blocks):
            x, state = block(x, cache[:, i])
            kept.append(state)
            if i + 1 == PHONE_BLOCK:
                middle = x
        return F.log_softmax(self.leave(self.leave_norm(x)), -1), torch.stack(kept, 1), middle

    def fresh(self, n, device="cpu"):
        return torch.zeros(n, len(self.blocks), CONTEXT, WIDTH, device=device)
