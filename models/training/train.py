"""Trains the embedded chat model from nothing and writes it as GGUF.

    python train.py --out ../gpt4all-ts-tiny-chat.Q8_0.gguf

Two processes of one thread share each step: on two cores this is faster than one
process of two threads, as no operation has to wait for both.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F

from batches import endless_batches
from conversations import PRACTICE, SKILLS, Generator
from export import export_gguf
from held_out import HeldOut
from network import Network, Shape
from optimizer import Muon
from tokenizer import END_OF_TEXT_ID, TURN_END, TURN_START, printable_pieces, train_tokenizer
from words import COPIED, ECHOING_COPIED, UNUSUAL_COPIED, Words

TOKENIZER_DOCUMENTS = 20_000
TOKENS_PER_STEP = 4000
MATRIX_RATE, OTHER_RATE = 0.02, 0.004
WARM_UP_STEPS = 25
#: Share of the steps over which the learning rate falls to nothing at the end.
DECAY_SHARE = 0.5


@dataclass(frozen=True)
class Plan:
    out: str
    steps: int
    practice: int
    seed: int
    processes: int
    checkpoint: str | None
    resume: str | None
    phase: int


@dataclass(frozen=True)
class Phase:
    """A stretch of steps with its own mixture of documents and its own course of the learning rate."""

    number: int
    steps: int
    rate: float
    skills: dict
    copied: dict


def phases(plan: Plan) -> list[Phase]:
    """First everything, then at a lower rate what takes longest: copying the unusual, above all."""
    course = [
        Phase(0, plan.steps, 1.0, SKILLS, COPIED),
        Phase(1, plan.practice, 0.5, PRACTICE, UNUSUAL_COPIED),
        Phase(2, plan.practice, 0.5, PRACTICE, ECHOING_COPIED),
    ]
    return course[plan.phase - 1 :]


class CommonWords(Words):
    """For the tokenizer: without invented words and names, so that no name gets a
    token of its own and known and unknown ones are cut in the same way."""

    def invented_word(self) -> str:
        return self.pick(["the", "and", "of", "to"])

    def person(self, known: float = 0.4) -> str:
        return "the"

    def keyboard_noise(self) -> str:
        return "the"

    def any_emoji(self) -> str:
        """Random emoji only: their common first bytes are merged, no emoji is a token."""
        return chr(self.random.randint(0x1F300, 0x1F64F))


def make_tokenizer(seed: int, held_out: HeldOut, size: int):
    generator = Generator(CommonWords(seed + 1000), held_out)

    def texts():
        for _ in range(TOKENIZER_DOCUMENTS):
            text = generator.document().text()
            yield text.replace(TURN_START, "\n").replace(TURN_END, "\n")

    return train_tokenizer(texts(), size)


def learning_rate_factor(step: int, steps: int) -> float:
    """Short warm-up, then flat, then a straight line to zero."""
    return min(1, (step + 1) / WARM_UP_STEPS) * min(1, (steps - step) / (steps * DECAY_SHARE))


class Worker:
    """One process: computes its share of every step and applies the sum of all shares."""

    #: Slots before the gradient in the shared memory: loss, its positions, all tokens.
    SLOTS = 3

    def __init__(self, rank: int, plan: Plan, phase: Phase, network: Network, tokenizer, shared, barrier):
        torch.set_num_threads(1)
        self.rank, self.plan, self.phase, self.network = rank, plan, phase, network
        self.shared, self.barrier = shared, barrier
        words = Words(plan.seed * 100 + phase.number * 10 + rank, printable_pieces(tokenizer), phase.copied)
        generator = Generator(words, HeldOut(), phase.skills)
        self.batches = endless_batches(generator, tokenizer, network.shape.context)
        self.parameters = list(network.parameters())
        self.muon = Muon(network.matrices())
        self.adam = torch.optim.AdamW(network.others(), lr=OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0)
        self.tokens = self.learned = 0
        self.average_loss = None

    def run(self) -> None:
        started = time.time()
        for step in range(self.phase.steps):
            loss = self.step(step)
            self.average_loss = loss if self.average_loss is None else 0.95 * self.average_loss + 0.05 * loss
            last = step == self.phase.steps - 1
            if self.rank == 0 and (step % 25 == 0 or last):
                minutes = (time.time() - started) / 60
                print(f"phase {self.phase.number + 1} step {step} loss {loss:.4f} average {self.average_loss:.4f} "
                      f"tokens {self.tokens / 1e6:.2f}M minutes {minutes:.1f}", flush=True)
                if self.plan.checkpoint:
                    torch.save(self.network.state_dict(), self.plan.checkpoint)

    def step(self, step: int) -> float:
        self.compute_gradients()
        self.barrier.wait()
        total = self.shared.sum(0)
        self.barrier.wait()
        count = total[1].item()
        self.tokens += int(total[2].item())
        self.learned += int(count)
        gradient = total[self.SLOTS:] / count
        for parameter, part in zip(self.parameters, gradient.split([p.numel() for p in self.parameters])):
            parameter.grad = part.view_as(parameter)
        self.apply_gradients(step)
        return total[0].item() / count

    def compute_gradients(self) -> None:
        loss_sum, learned, tokens = 0.0, 0, 0
        share = TOKENS_PER_STEP // self.plan.processes
        while tokens < share:
            inputs, targets, keep = next(self.batches)
            loss = F.cross_entropy(self.network(inputs, keep), targets[keep], reduction="sum")
            loss.backward()
            loss_sum += loss.item()
            learned += int(keep.sum())
            tokens += int((inputs != END_OF_TEXT_ID).sum())
        row = self.shared[self.rank]
        row[0], row[1], row[2] = loss_sum, learned, tokens
        row[self.SLOTS:] = torch.cat([p.grad.flatten() for p in self.parameters])

    def apply_gradients(self, step: int) -> None:
        factor = self.phase.rate * learning_rate_factor(step, self.phase.steps)
        for group in self.adam.param_groups:
            group["lr"] = OTHER_RATE * factor
        self.muon.step(MATRIX_RATE * factor, momentum=min(0.95, 0.85 + 0.1 * step / 200))
        self.adam.step()
        self.network.zero_grad(set_to_none=True)


def train(plan: Plan) -> None:
    started = time.time()
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    shape = Shape()
    tokenizer = make_tokenizer(plan.seed, HeldOut(), shape.vocabulary)
    network = Network(shape)
    size = sum(p.numel() for p in network.parameters())
    print(f"{size} parameters, vocabulary {shape.vocabulary}", flush=True)
    context = multiprocessing.get_context("fork")
    shared = torch.zeros(plan.processes, size + Worker.SLOTS).share_memory_()
    barrier = context.Barrier(plan.processes)
    if plan.resume:
        network.load_state_dict(torch.load(plan.resume))

    # Every process keeps its own copy of the network; equal sums keep the copies equal.
    def work(rank: int) -> list[Worker]:
        workers = []
        try:
            for phase in phases(plan):
                workers.append(Worker(rank, plan, phase, network, tokenizer, shared, barrier))
                workers[-1].run()
        except BaseException:
            barrier.abort()  # the others would wait for this one forever
            raise
        return workers

    others = [context.Process(target=work, args=(rank,), daemon=True) for rank in range(1, plan.processes)]
    for process in others:
        process.start()
    workers = work(0)
    for process in others:
        process.join()
    unfinished = plan.out + ".part"
    export_gguf(network, tokenizer, unfinished)
    os.replace(unfinished, plan.out)
    print(json.dumps({
        "steps": [worker.phase.steps for worker in workers], "seed": plan.seed, "parameters": size,
        "loss": round(workers[-1].average_loss, 4), "tokens": sum(worker.tokens for worker in workers),
        "tokens learned": sum(worker.learned for worker in workers), "minutes": round((time.time() - started) / 60, 1),
        "bytes": os.path.getsize(plan.out), "torch": torch.__version__,
    }))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="the GGUF file to write")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--practice", type=int, default=700, help="steps of each of the phases after the first")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="the result depends on it; the shipped one has 2")
    parser.add_argument("--checkpoint", help="also save the weights here now and then")
    parser.add_argument("--resume", help="begin with these weights ...")
    parser.add_argument("--phase", type=int, choices=[1, 2, 3], default=1, help="... at this phase")
    train(Plan(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
