"""Single layers, forward and backward: python -m benchmarks.layers."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial

import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.figures import Figures, fastest, ratios
from benchmarks.measure import build, children, take_turns
from benchmarks.report import console, factor, progress, write
from benchmarks.settings import Settings
from benchmarks.single_layers import SINGLE_LAYERS, SingleLayer
from benchmarks.ways import Way
from multitask.errors import UserError, run_command


@dataclasses.dataclass(frozen=True)
class Command(Settings):
    """Measures single layers, forward and backward, derived against built-in ones; about four minutes.

    Each way of computing them has a process of its own, and they take turns. A ratio is the median over the
    rounds; of CPU times it is steadier than of times where others use the machine too. PyTorch's compiler,
    which takes ten seconds a layer, is left to benchmarks.training.

    Args:
        rounds: how often each way has its turn at each layer.
        turn: its length in seconds; it is at least one step.
        only: parts of names, such as "conv 3x3" or pooling; all layers if none is given.
    """

    rounds: int = 9
    turn: float = 0.1
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            known = "; ".join(single.name for single in SINGLE_LAYERS)
            raise UserError(f"only must be part of a name in: {known}. Received: {' '.join(self.only)}")
        super().__post_init__()

    @property
    def ways(self) -> tuple[Way, ...]:
        """What takes turns."""
        return tuple(way for way in super().ways if way.engine != "torch" or not way.compiled)

    @property
    def layers(self) -> list[SingleLayer]:
        """Those asked for."""
        return [s for s in SINGLE_LAYERS if not self.only or any(part in s.name for part in self.only)]


def measure(command: Command) -> dict[str, dict[str, Figures]]:
    """The figures of each layer, by way."""
    measured = {}
    with progress() as bars, children(command.ways) as processes:
        bar = bars.add_task("measuring", total=command.rounds * len(command.layers), now="")
        for single in command.layers:
            bars.update(bar, now=single.name)
            build(processes, "layer_step", single, command.batch_size)
            measured[single.name] = take_turns(
                processes, command.rounds, command.turn, partial(bars.advance, bar)
            )
    return measured


def table(measured: Mapping[str, Mapping[str, Figures]], peers: bool) -> Table:
    """A line for each layer: what built-in ones take, and derived ones as multiples of that."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title="derived layers as multiples of others")
    shown.add_column("layer", no_wrap=True)
    for mode in ("", "XLA\n"):
        for heading in (f"{mode}built-in\nms", f"{mode}time", f"{mode}CPU\ntime", f"{mode}mem-\nory"):
            shown.add_column(heading, justify="right")
    shown.add_column("best /\nbest\nbuilt-in", justify="right")
    if peers:
        shown.add_column("best\nPyTorch\nms", justify="right")
        shown.add_column("best /\nbest\nPyTorch", justify="right")
    for name, figures in measured.items():
        compared = ratios(figures)
        cells = []
        for mode in ("", ", XLA"):
            ratio = compared[f"derived{mode} / built-in{mode}"]
            taken = figures[f"built-in{mode}"].milliseconds
            cells += [f"{taken:.2f}", factor(ratio.time), factor(ratio.cpu), factor(ratio.memory)]
        cells.append(factor(compared["best derived / best built-in"].time))
        if torch := fastest(figures, "torch"):
            cells.append(f"{figures[torch].milliseconds:.2f}")
            cells.append(factor(compared["best derived / best PyTorch"].time))
        shown.add_row(name, *cells)
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.layers")
    measured = measure(command)
    console().print(table(measured, command.peers))
    if command.json:
        write(command.json, command, measured)


if __name__ == "__main__":
    run_command(main)
