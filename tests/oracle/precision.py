"""How much of a notebook's parallelism the compiler keeps.

The measure of a graph is the number of counted cells divided by the length, in cells, of the longest chain: the
speed-up that unlimited processors give when all cells take equally long. Cells of one step follow each other, also
where they need not. Counted are the cells of which the pipeline consists (`--granularity cell`) and which are more
than definitions; a cell that only defines names but became a step anyway lengthens the pipeline's chains, not the
trace's.

Both graphs are measured over the same cells, so the *precision*, the pipeline's measure as a share of the trace's
(`tracer`), is the trace's longest chain divided by the pipeline's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import product
from .tracer import Trace, trace_all

CORPUS = Path(__file__).parent.parent / "precision"
#: What the compiler must keep of what the trace allows, for every notebook.
REQUIRED = 0.75


def notebooks(half: str) -> list[Path]:
    return sorted((CORPUS / half).glob("*.ipynb"))


@dataclass
class Graph:
    """Cells joined to groups, and which group needs which."""

    group: dict[int, int]
    after: dict[int, set[int]] = field(default_factory=dict)

    def longest_chain(self, weight: dict[int, int]) -> int:
        """The heaviest chain of groups; a group weighs what its cells weigh together."""
        weights: dict[int, int] = dict.fromkeys(self.group.values(), 0)
        for cell, group in self.group.items():
            weights[group] += weight.get(cell, 0)
        longest: dict[int, int] = {}

        def chain(group: int) -> int:
            if group not in longest:
                longest[group] = weights[group] + max((chain(next_) for next_ in self.after.get(group, ())), default=0)
            return longest[group]

        return max(map(chain, weights), default=0)

    def reaches(self, source: int, target: int) -> bool:
        """Whether cell `source` has run when cell `target` runs."""
        goal, todo, seen = self.group[target], [self.group[source]], set()
        while todo:
            group = todo.pop()
            if group == goal:
                return True
            if group not in seen:
                seen.add(group)
                todo += self.after.get(group, ())
        return False


@dataclass
class Measured:
    name: str
    cells: int
    #: Lengths of the longest chains.
    traced: int
    compiled: int
    #: Dependencies that the trace saw and the pipeline does not respect.
    missed: list[str]

    @property
    def precision(self) -> float:
        return self.traced / self.compiled if self.compiled else 1.0


def measure(paths: list[Path]) -> list[Measured]:
    traces = trace_all(paths)
    with ThreadPoolExecutor(2) as pool:
        compiled = pool.map(lambda path: product.graph(path, ["--granularity", "cell"]), paths)
    return [compare(path.stem, traces[path], graph) for path, graph in zip(paths, compiled, strict=True)]


def compare(name: str, trace: Trace, graph: dict) -> Measured:
    assert trace.error is None, f"{name}: {trace.error}"
    assert graph["steps"], f"{name}: {graph['diagnostics']}"
    compiled = compiled_graph(graph)
    counted = {cell: 1 for cell in compiled.group if cell not in trace.definitions}
    allowed = traced_graph(trace, set(counted))
    missed = [
        f"cell {target} needs {', '.join(why)} of cell {source}"
        for (source, target), why in trace.edges.items()
        if source in compiled.group and target in compiled.group and not compiled.reaches(source, target)
    ]
    chain = compiled.longest_chain(dict.fromkeys(compiled.group, 1))
    return Measured(name, len(counted), allowed.longest_chain(counted), chain, missed)


def compiled_graph(graph: dict) -> Graph:
    place = {step["name"]: number for number, step in enumerate(graph["steps"])}
    after: dict[int, set[int]] = {}
    for edge in graph["edges"]:
        after.setdefault(place[edge["from"]], set()).add(place[edge["to"]])
    return Graph({cell: place[step["name"]] for step in graph["steps"] for cell in step["cells"]}, after)


def traced_graph(trace: Trace, counted: set[int]) -> Graph:
    """Joins what has to be joined, and then whatever would have to run both before and after a group."""
    home = {cell: cell for cell in trace.cells}

    def find(cell: int) -> int:
        while home[cell] != cell:
            cell = home[cell]
        return cell

    for earlier, later in trace.joined:
        home[find(later)] = find(earlier)
    while True:
        graph = Graph({cell: find(cell) for cell in trace.cells})
        for source, target in trace.edges:
            if find(source) != find(target):
                graph.after.setdefault(find(source), set()).add(find(target))
        circle = next((edge for edge in trace.edges if in_circle(graph, *edge)), None)
        if circle is None:
            return graph
        home[find(circle[1])] = find(circle[0])


def in_circle(graph: Graph, source: int, target: int) -> bool:
    return graph.group[source] != graph.group[target] and graph.reaches(target, source)


def table(rows: list[Measured]) -> str:
    lines = [f"{'notebook':<30} {'cells':>5} {'traced':>7} {'kale_rs':>8} {'share':>6}"]
    for row in sorted(rows, key=lambda row: (row.precision, row.name)):
        traced, compiled = row.cells / max(row.traced, 1), row.cells / max(row.compiled, 1)
        lines.append(f"{row.name:<30} {row.cells:>5} {traced:>7.2f} {compiled:>8.2f} {row.precision:>6.0%}")
    return "\n".join(lines)


def summary(rows: list[Measured]) -> str:
    enough = sum(row.precision >= REQUIRED for row in rows)
    mean = sum(row.precision for row in rows) / len(rows)
    cells, compiled = sum(row.cells for row in rows), [row.cells / max(row.compiled, 1) for row in rows]
    return (
        f"{enough} of {len(rows)} notebooks keep at least {REQUIRED:.0%} of the parallelism that a traced run allows "
        f"({mean:.0%} on average); {cells} cells, cells / critical path {sum(compiled) / len(rows):.2f} on average"
    )


def main() -> None:
    for half in ("open", "held"):
        rows = measure(notebooks(half))
        print(f"\n{half}: {summary(rows)}")
        worst = [row for row in rows if row.precision < REQUIRED or row.missed]
        print(table(rows if half == "open" else worst))
        for row in rows:
            for missed in row.missed if half == "open" else row.missed[:1] and ["a dependency is not respected"]:
                print(f"  {row.name}: {missed}")


if __name__ == "__main__":
    main()
