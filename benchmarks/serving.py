"""The server against calls without one: python -m benchmarks.serving."""

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks import peer_servers
from benchmarks.answering import BATCH, Turn, ready_after, server_command
from benchmarks.measure import Child, build, children
from benchmarks.report import console, facts, progress
from benchmarks.ways import Way
from multitask.errors import UserError, run_command

ONE, EIGHT, BATCHES = "direct, 1 thread", "direct, 8 threads", "direct, batches of 32"
CLIENTS = (1, 16, 64)
PEER_CLIENTS = 16
DIRECT = {
    ONE: (1, 1),
    "direct, 2 threads": (2, 1),
    EIGHT: (8, 1),
    f"{BATCHES}, 1 thread": (1, BATCH),
    f"{BATCHES}, 2 threads": (2, BATCH),
    f"{BATCHES}, 4 threads": (4, BATCH),
}
"""Threads and pictures a call."""


@dataclasses.dataclass(frozen=True)
class Command:
    """Measures the server of this project's export under load, against calls into the same export.

    The load comes from a process of its own over loopback, each client asking as soon as it has its answer;
    a request is one JPEG of 200x200 pixels as JSON. The calls come from threads of one process. Whoever is
    compared takes turns, so that none computes while another does; a ratio is the median over the rounds of
    two that were measured in the same one. Four minutes.

    Args:
        export: a version folder; if not given, the model that comes with the project is exported.
        flags: more of the server's, such as --flags=--enable_batching=false.
        rounds: how often each has its turn.
        turn: its length in seconds.
        starts: how often the server is started to see when it is ready.
        peers: compare with LitServe and KServe's SDK as well, which `make serving-peers` installs.
        json: file for all figures.
    """

    export: Path | None = None
    flags: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    rounds: int = 7
    turn: float = 3.0
    starts: int = 3
    peers: bool = False
    json: Path | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "starts"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1; received {getattr(self, name)}")
        if not self.turn > 0:
            raise UserError(f"turn must be above 0; received {self.turn}")
        if self.export and not (self.export / "saved_model.pb").is_file():
            raise UserError(f"export must be a version folder with a saved_model.pb; received {self.export}")
        if self.peers:
            peer_servers.check()
        if self.json:
            self.json.touch()  # a path that can't be written is said now, not after minutes


def measure(command: Command, export: Path, predictions: Any) -> dict[str, list[Turn]]:
    """The turns of each way, by its name; a peer must answer the same predictions, or is left out."""
    turns: dict[str, list[Turn]] = {}
    server = server_command(export, command.flags)
    peers = peer_servers.commands(export) if command.peers else {}
    ways = [Way("direct", "answering"), Way("server", "answering")]
    ways += [Way(name, "peer server") for name in peers]
    with progress() as bars, children(ways) as started:
        bar = bars.add_task("serving", total=command.rounds, now="building")
        direct, serving, *others = started
        build([direct], "direct", export)
        build([serving], "served", server)
        asked: list[tuple[str, Child, tuple[int, ...]]] = [
            *((name, direct, arguments) for name, arguments in DIRECT.items()),
            *((f"server, {clients} clients", serving, (clients,)) for clients in CLIENTS),
        ]
        for child in others:
            able = [child]
            build(able, "served", peers[child.way.name], predictions)
            asked += [(_of_peer(one.way.name), one, (PEER_CLIENTS,)) for one in able]
        bars.update(bar, now="")
        for number in range(command.rounds):
            for name, child, arguments in reversed(asked) if number % 2 else asked:
                turns.setdefault(name, []).append(child.ask("step", *arguments, command.turn))
            bars.advance(bar)
    return {name: turns[name] for name, _, _ in asked}


def _of_peer(name: str) -> str:
    return f"{name}, {PEER_CLIENTS} clients"


def read_pixels(rounds: int) -> list[float]:
    """How many times faster a request of pixels is read into an array than json parses it, by round."""
    from serving.pixels import split, to_pixels

    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    body = json.dumps({"signature_name": "predict_images", "instances": pixels.tolist()}).encode()

    def read() -> None:
        found = split(body)
        if found is None or to_pixels(found[1], pixels.shape[1:]) is None:
            raise RuntimeError("pixels were not read at once")

    return [_seconds(partial(json.loads, body)) / _seconds(read) for _ in range(rounds)]


def _seconds(work: Callable[[], object], times: int = 300) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def findings(turns: Mapping[str, Sequence[Turn]]) -> dict[str, tuple[float, str]]:
    """What was aimed at, and how far it was reached: by what, the figure and the aim."""
    rate = {name: np.array([turn.pictures / turn.seconds for turn in each]) for name, each in turns.items()}
    wait = {name: np.array([np.median(turn.latencies) for turn in each]) for name, each in turns.items()}
    late = [np.percentile(turn.latencies, 99) for turn in turns["server, 16 clients"]]
    single = [rate[name] for name, (_, pictures) in DIRECT.items() if pictures == 1]
    batched = [rate[name] for name, (_, pictures) in DIRECT.items() if pictures > 1]
    best_single, best_batched = (max(rates, key=np.median) for rates in (single, batched))
    found = {}
    for clients in CLIENTS[1:]:
        ours = rate[f"server, {clients} clients"]
        found[f"throughput, {clients} clients / direct"] = ours / best_single, ">= 1"
        found[f"throughput, {clients} clients / direct in batches"] = ours / best_batched, ">= 0.7"
    peers = [rate[_of_peer(name)] for name in peer_servers.PEERS if _of_peer(name) in rate]
    if peers:
        best_peer = max(peers, key=np.median)
        ratios = rate[f"server, {PEER_CLIENTS} clients"] / best_peer
        found[f"throughput, {PEER_CLIENTS} clients / best peer"] = ratios, ">= 1.5"
    found["median, 1 client / direct"] = wait["server, 1 clients"] / wait[ONE], "<= 1.4"
    found["99th percentile / median, 16 clients"] = np.array(late) / wait["server, 16 clients"], "<= 2"
    return {name: (float(np.median(ratios)), aim) for name, (ratios, aim) in found.items()}


def tables(
    turns: Mapping[str, Sequence[Turn]], found: Mapping[str, tuple[float, str]]
) -> tuple[Table, Table]:
    """What each way took, and how they compare."""
    each = Table("", "a second", "median ms", "p99 ms", "CPU ms", "load's CPU ms", box=SIMPLE_HEAD)
    for name, taken in turns.items():
        each.add_row(
            name,
            f"{np.median([turn.pictures / turn.seconds for turn in taken]):,.0f}",
            *(
                f"{np.median([np.percentile(turn.latencies, share) for turn in taken]) * 1e3:.2f}"
                for share in (50, 99)
            ),
            f"{np.median([turn.cpu_seconds / turn.pictures for turn in taken]) * 1e3:.2f}",
            f"{np.median([turn.load_cpu_seconds / turn.pictures for turn in taken]) * 1e3:.3f}",
        )
    compared = Table("", "ratio", "aim", box=SIMPLE_HEAD)
    for name, (figure, aim) in found.items():
        compared.add_row(name, f"{figure:.2f}", aim)
    for column in (*each.columns[1:], *compared.columns[1:]):
        column.justify = "right"
    return each, compared


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.serving")
    with tempfile.TemporaryDirectory() as folder:
        export = command.export or _exported(Path(folder))
        ready = [ready_after(server_command(export, command.flags)) for _ in range(command.starts)]
        turns = measure(command, export, ready[0][1])
    found = findings(turns)
    found["JSON pixels: json / here"] = float(np.median(read_pixels(command.rounds))), ">= 5"
    found["seconds until ready"] = float(np.median([seconds for seconds, _ in ready])), "<= 6"
    console().print(*tables(turns, found))
    if command.json:
        report = {
            **facts(("tensorflow", "keras", "uvicorn")),
            "peers": peer_servers.versions() if command.peers else {},
            "settings": dataclasses.asdict(command),
            "findings": {name: {"figure": figure, "aim": aim} for name, (figure, aim) in found.items()},
            "ready_seconds": [seconds for seconds, _ in ready],
            "turns": {name: [dataclasses.asdict(turn) for turn in taken] for name, taken in turns.items()},
        }
        command.json.write_text(json.dumps(report, default=str) + "\n")
        print(f"kept: {command.json}")


def _exported(folder: Path) -> Path:
    from training.export import export
    from training.runs import Run
    from training.start import SHIPPED

    return export(Run.open(SHIPPED), folder / "faces", average_flips=True)  # as --pretrained exports it


if __name__ == "__main__":
    run_command(main)
