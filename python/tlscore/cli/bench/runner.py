"""Runs a comparison: one worker process per target, all alive at once, measured in turn round by round.

Interleaving is what makes ratios hold: when the machine slows down it slows every target of the round. The result of a
target is the median of its rounds; least and greatest stand beside it, so that an unsteady machine shows.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tlscore.cli.bench.machine import machine_facts
from tlscore.cli.bench.progress import Progress
from tlscore.cli.bench.targets import Target
from tlscore.cli.bench.workloads import WORKLOADS, Workload
from tlscore.cli.throwaway import SERVER_NAME, ThrowawayAuthority, openssl_configuration
from tlscore.errors import TlsError

BASELINE = "ssl"
NO_SUITE = "-"
IDLE_WORKLOADS = ("idle_client", "idle_server")
LOOPBACK_WORKLOADS = ("loopback_cpu", "loopback_wall")
STARTING_WORKLOADS = ("import", "ready")
_ANSWER_SECONDS = 60.0
_LOOPBACK_CALLS = 8192
_QUICK_SECONDS = 15.0


@dataclass(frozen=True)
class Plan:
    """What to measure, and how long."""

    targets: list[Target]
    suites: list[str]
    workloads: list[Workload]
    sizes: list[int]
    quick: bool
    rounds: int
    seconds: float
    loopback_octets: int

    def sizes_of(self, workload: Workload) -> tuple[int, ...]:
        own = workload.quick_sizes if self.quick else workload.sizes
        if own == (0,) or not self.sizes:
            return own
        return tuple(self.sizes)


@dataclass
class Results:
    machine: dict[str, Any]
    versions: dict[str, str]
    date: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "versions": self.versions,
            "date": self.date,
            "rows": self.rows,
            "skipped": self.skipped,
        }


class WorkerProcess:
    """The parent's side of worker.py."""

    def __init__(self, target: Target, suite: str, directory: Path) -> None:
        environment = dict(os.environ, OPENSSL_CONF=str(openssl_configuration(directory, suite)))
        self.target = target
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tlscore.cli.bench.worker", target.name, suite, str(directory), SERVER_NAME],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def order(self, do: str, **arguments: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], _ANSWER_SECONDS)[0]:
            # A library that hangs must not hang the comparison.
            self._process.kill()
        line = self._process.stdout.readline()
        if not line:
            return {"failed": f"the worker for {self.target.name} ended with code {self._process.wait()}"}
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        with suppress(BrokenPipeError):
            self.order(do, **arguments)
        return self.answer()

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Comparison:
    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan, self._progress = plan, progress
        self.results = Results(
            machine_facts(), _versions(plan.targets), datetime.now(UTC).isoformat(timespec="seconds")
        )
        self._directory = Path()

    def run(self) -> Results:
        with TemporaryDirectory(prefix="tlscore-bench-") as directory:
            self._directory = Path(directory)
            ThrowawayAuthority(self._directory).issue(SERVER_NAME)
            self._progress.start(sum(1 for _ in self._steps()))
            for suite in self._plan.suites:
                self._run_suite(suite)
            for workload in self._plan.workloads:
                if workload.name in STARTING_WORKLOADS:
                    self._step(workload, NO_SUITE, 0)
                    self._run_starting(workload)
        self._progress.end()
        return self.results

    def _steps(self) -> Iterator[tuple[str, Workload, int]]:
        for workload in self._plan.workloads:
            if workload.name == "loopback_wall":
                continue
            for suite in self._plan.suites if workload.per_suite else [NO_SUITE]:
                for size in self._plan.sizes_of(workload):
                    yield suite, workload, size

    def _step(self, workload: Workload, suite: str, size: int) -> None:
        self._progress.step(workload, suite, size)

    def _rounds(self) -> int:
        """A quick run on a busy machine keeps its promise of time by measuring less often."""
        late = self._plan.quick and self._progress.elapsed() > _QUICK_SECONDS
        return min(self._plan.rounds, 3) if late else self._plan.rounds

    # -- one suite --

    def _run_suite(self, suite: str) -> None:
        workers = [
            WorkerProcess(target, suite, self._directory)
            for target in self._plan.targets
            if target.suites is None or suite in target.suites
        ]
        try:
            for workload in self._plan.workloads:
                if workload.name in IDLE_WORKLOADS + LOOPBACK_WORKLOADS + STARTING_WORKLOADS:
                    continue
                able = [worker for worker in workers if workload.name in worker.target.workloads]
                for size in self._plan.sizes_of(workload):
                    self._step(workload, suite, size)
                    self._run_in_memory(workload, suite, size, able)
            if any(workload.name in LOOPBACK_WORKLOADS for workload in self._plan.workloads):
                self._run_loopback(suite, workers)
        finally:
            for worker in workers:
                worker.stop()
        for workload in self._plan.workloads:
            if workload.name in IDLE_WORKLOADS:
                self._step(workload, suite, 0)
                self._run_idle(workload, suite)

    def _run_in_memory(self, workload: Workload, suite: str, size: int, workers: list[WorkerProcess]) -> None:
        ready = [
            worker
            for worker in workers
            if self._fine(
                workload,
                suite,
                size,
                worker.target,
                worker.ask("prepare", workload=workload.name, size=size, seconds=self._plan.seconds),
            )
        ]
        samples: dict[str, list[float]] = {worker.target.name: [] for worker in ready}
        for _ in range(self._rounds()):
            for worker in ready:
                answer = worker.ask("sample")
                if self._fine(workload, suite, size, worker.target, answer):
                    samples[worker.target.name].append(answer["value"])
        self._add_rows(workload, suite, size, samples)

    def _run_idle(self, workload: Workload, suite: str) -> None:
        samples: dict[str, list[float]] = {}
        for target in self._plan.targets:
            if workload.name not in target.workloads or (target.suites is not None and suite not in target.suites):
                continue
            worker = WorkerProcess(target, suite, self._directory)
            try:
                answer = worker.ask("prepare", workload=workload.name, size=0, seconds=self._plan.seconds)
                values = []
                for _ in range(min(self._rounds(), 3)):
                    if self._fine(workload, suite, 0, target, answer):
                        answer = worker.ask("sample")
                        values.append(answer.get("value"))
                samples[target.name] = [value for value in values if value is not None]
            finally:
                worker.stop()
        self._add_rows(workload, suite, 0, samples)

    # -- over sockets --

    def _run_loopback(self, suite: str, servers: list[WorkerProcess]) -> None:
        ends: list[tuple[WorkerProcess, WorkerProcess]] = []
        cpu, wall = WORKLOADS["loopback_cpu"], WORKLOADS["loopback_wall"]
        try:
            for server in servers:
                if cpu.name not in server.target.workloads:
                    continue
                client = WorkerProcess(server.target, suite, self._directory)
                if self._join(suite, server, client):
                    ends.append((server, client))
                else:
                    client.stop()
            for size in self._plan.sizes_of(cpu):
                self._step(cpu, suite, size)
                self._run_loopback_size(cpu, wall, suite, size, ends)
        finally:
            for server, client in ends:
                client.ask("close")
                server.ask("close")
                client.stop()

    def _join(self, suite: str, server: WorkerProcess, client: WorkerProcess) -> bool:
        cpu = WORKLOADS["loopback_cpu"]
        listening = server.ask("listen")
        if not self._fine(cpu, suite, 0, server.target, listening):
            return False
        server.order("accept")
        joined = client.ask("connect", port=listening["port"])
        if "failed" in joined or "unavailable" in joined:
            client.stop()
        accepted = server.answer()
        return self._fine(cpu, suite, 0, server.target, joined) and self._fine(cpu, suite, 0, server.target, accepted)

    def _run_loopback_size(
        self, cpu: Workload, wall: Workload, suite: str, size: int, ends: list[tuple[WorkerProcess, WorkerProcess]]
    ) -> None:
        # Small messages are sent less often, or their rounds would take minutes.
        count = max(1, min(self._plan.loopback_octets // size, _LOOPBACK_CALLS))
        octets = size * count
        costs: dict[str, list[float]] = {server.target.name: [] for server, _ in ends}
        rates: dict[str, list[float]] = {server.target.name: [] for server, _ in ends}
        for _ in range(self._rounds()):
            for server, client in ends:
                server.order("receive", octets=octets)
                sent, received = client.ask("send", size=size, count=count), server.answer()
                if self._fine(cpu, suite, size, server.target, sent) and self._fine(
                    cpu, suite, size, server.target, received
                ):
                    costs[server.target.name].append((sent["cpu"] + received["cpu"]) / octets * 1e9)
                    rates[server.target.name].append(octets / received["wall"] / 1e6)
        asked = {workload.name for workload in self._plan.workloads}
        for workload, samples in ((cpu, costs), (wall, rates)):
            if workload.name in asked:
                self._add_rows(workload, suite, size, samples)

    # -- starting --

    def _run_starting(self, workload: Workload) -> None:
        samples: dict[str, list[float]] = {}
        programs = {}
        for target in self._plan.targets:
            if workload.name in target.workloads:
                body = f"import {target.importable}\n" if workload.name == "import" else target.ready
                programs[target] = (
                    f"TRUST, NAME = {str(self._directory / 'ca.pem')!r}, {SERVER_NAME!r}\n"
                    f"import time\nstart = time.process_time()\n{body}print(time.process_time() - start)\n"
                )
        for turn in range(1 + min(self._rounds(), 7)):
            for target, program in programs.items():
                done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
                if done.returncode:
                    if not turn:
                        self._fine(workload, NO_SUITE, 0, target, {"failed": done.stderr.strip().splitlines()[-1]})
                elif turn:  # the first turn only warms the file cache
                    samples.setdefault(target.name, []).append(float(done.stdout) * 1e3)
        self._add_rows(workload, NO_SUITE, 0, samples)

    # -- results --

    def _fine(self, workload: Workload, suite: str, size: int, target: Target, answer: dict[str, Any]) -> bool:
        """Whether the answer is a result; why not is kept for the report."""
        reason = answer.get("unavailable") or answer.get("failed")
        if reason is None:
            return True
        entry = {"workload": workload.name, "suite": suite, "size": size, "target": target.name, "reason": reason}
        if entry not in self.results.skipped:
            self.results.skipped.append(entry)
        if target.name == "tlscore" and "failed" in answer:
            raise TlsError(f"{workload.name} failed for tlscore: {reason}", remedy=answer.get("traceback", ""))
        return False

    def _add_rows(self, workload: Workload, suite: str, size: int, samples: dict[str, list[float]]) -> None:
        baseline = median(samples[BASELINE]) if samples.get(BASELINE) else None
        for target, values in samples.items():
            if not values:
                continue
            middle = median(values)
            self.results.rows.append(
                {
                    "workload": workload.name,
                    "suite": suite,
                    "size": size,
                    "target": target,
                    "unit": workload.unit,
                    "median": _rounded(middle),
                    "min": _rounded(min(values)),
                    "max": _rounded(max(values)),
                    "ratio_to_ssl": _rounded(middle / baseline) if baseline else None,
                    "rounds": len(values),
                }
            )


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _versions(targets: Iterable[Target]) -> dict[str, str]:
    from tlscore import _core

    versions = {target.name: target.version() for target in targets if not target.name.startswith("limit-")}
    for path in ("tlscore_into", "tlscore_anew", "tlscore_12"):
        versions.pop(path, None)
    facts = _core.build_facts()
    return versions | {f"tlscore {name}": value for name, value in facts.items()}
