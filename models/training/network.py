"""A small LLaMA-architecture network, laid out exactly as llama.cpp computes it."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; also written into the GGUF header."""

    vocabulary: int = 1664
    width: int = 192
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 64
    feed_forward: int = 512
    context: int = 2048
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-5


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions on the pairs (0,1), (2,3), ...: llama.cpp's own order for
    this architecture, so the weights need no permutation when exported."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    """One layer: attention, then the gated feed-forward part."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        width, queries = shape.width, shape.heads * shape.head_width
        keys = shape.kv_heads * shape.head_width
        self.attention_norm = nn.Parameter(torch.ones(width))
        self.feed_forward_norm = nn.Parameter(torch.ones(width))
        self.query = nn.Linear(width, queries, bias=False)
        self.key = nn.Linear(width, keys, bias=False)
        self.value = nn.Linear(width, keys, bias=False)
        self.output = nn.Linear(queries, width, bias=False)
        self.gate = nn.Linear(width, shape.feed_forward, bias=False)
        self.up = nn.Linear(width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, width, bias=False)

    def norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (self.shape.width,), weight, self.shape.norm_epsilon)

    def attend(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        rows, length, _ = x.shape
        s = self.shape
        query = rotate(self.query(x).view(rows, length, s.heads, s.head_width), cos, sin).transpose(1, 2)
        key = rotate(self.key(x).view(rows, length, s.kv_heads, s.head_width), cos, sin).transpose(1, 2)
        value = self.value(x).view(rows, length, s.kv_heads, s.head_width).transpose(1, 2)
        shared_by = s.heads // s.kv_heads
        key, value = key.repeat_interleave(shared_by, 1), value.repeat_interleave(shared_by, 1)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(seen.transpose(1, 2).reshape(rows, length, -1))

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))

    def forward(self, x, cos, sin, keep=None):
        """With `keep` (a mask of positions) the feed-forward part is computed for
        those positions only: in the last layer nothing else is looked at."""
        x = x + self.attend(self.norm(x, self.attention_norm), cos, sin)
        if keep is not None:
            x = x[keep]
        return x + self.feed(self.norm(x, self.feed_forward_norm))


class Network(nn.Module):
    """Embedding, blocks, final norm; the embedding is also the output layer."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.final_norm = nn.Parameter(torch.ones(shape.width))
        self.initialise()
        frequencies = shape.rope_base ** (-torch.arange(0, shape.head_width, 2).float() / shape.head_width)
        angles = torch.outer(torch.arange(shape.context).float(), frequencies)[None, :, None]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def initialise(self) -> None:
        """Smaller weights where a block writes back, so it starts near identity."""
        nn.init.normal_(self.embedding.weight, std=0.02)
        for block in self.blocks:
            for name, layer in block.named_children():
                gain = 0.3 if name in ("output", "down") else 0.8
                nn.init.normal_(layer.weight, std=gain * layer.in_features**-0.5)

    def forward(self, ids: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Scores of the next token at the positions of `keep` (a mask like `ids`)."""
        x = self.embedding(ids)
        length = ids.shape[1]
        cos, sin = self.cos[:, :length], self.sin[:, :length]
        for block in self.blocks[:-1]:
            x = block(x, cos, sin)
        x = self.blocks[-1](x, cos, sin, keep)
        x = F.rms_norm(x, (self.shape.width,), self.final_norm, self.shape.norm_epsilon)
        return F.linear(x, self.embedding.weight)

    def matrices(self) -> list[nn.Parameter]:
        """The weight matrices inside the blocks."""
        return [p for block in self.blocks for p in block.parameters() if p.ndim == 2]

    def others(self) -> list[nn.Parameter]:
        """Everything else: the embedding and the norms."""
        inside = {id(p) for p in self.matrices()}
        return [p for p in self.parameters() if id(p) not in inside]
