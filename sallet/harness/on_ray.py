"""`--executor ray`: shards of a plan on a Ray cluster, one actor a worker, and a GPU if there is.

Rows are written by this process alone, as each shard comes back. A worker that dies takes nothing
with it but the shard it was at, which another one makes again; a shard that kills every worker it
is given to is an error that names it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from sallet.core.errors import SalletError, StoreError, UsageError
from sallet.harness.parts import Parts
from sallet.harness.plan import Plan
from sallet.harness.preflight import preflight
from sallet.harness.second import second_name
from sallet.harness.shards import TOKEN, Made, Shard, Worker, shards
from sallet.harness.watch import Silent, Watch
from sallet.runs import files
from sallet.runs.codec import from_line
from sallet.runs.store import Store

TRIES = 3
"""Workers that one shard may cost."""


def evaluate(
    planned: Plan,
    store: Store,
    *,
    only: Mapping[str, str],
    workers: int,
    address: str | None = None,
    device: str | None = None,
    watch: Watch | None = None,
) -> None:
    """Writes every row of the plan that the store does not have yet."""
    ray = _ray()
    preflight(planned)
    for name in dict.fromkeys(cell.key.judge for cell in planned.cells):
        second = second_name(planned.recipe, name)
        for judge in filter(None, (name, second)):
            Parts().judge(judge)
    store.asks()
    store.expect(sum(len(cell.samples) for cell in planned.cells))
    todo = shards(planned, store)
    if todo:
        driven = _Driver(ray, planned, store, dict(only), device, watch or Silent())
        _drive(ray, driven, todo, workers, address)
    store.arrange(planned.order)


class _Driver:
    def __init__(
        self, ray: Any, planned: Plan, store: Store, only: dict[str, str], device: str | None,
        watch: Watch,
    ) -> None:  # fmt: skip
        self.ray, self.planned, self.store, self.only = ray, planned, store, only
        self.device, self.watch = device, watch

    def run(self, todo: list[Shard], workers: int) -> None:
        """Hands each idle worker the next shard; one that dies is replaced."""
        gpus = 1 if self.ray.cluster_resources().get("GPU", 0) and self.device != "cpu" else 0
        self.actor = self.ray.remote(num_cpus=1, num_gpus=gpus)(Worker)
        waiting = list(todo)
        tries: dict[Shard, int] = {}
        idle = [self._worker() for _ in range(min(workers, len(todo)))]
        busy: dict[Any, tuple[Any, Shard]] = {}
        while waiting or busy:
            while waiting and idle:
                worker, shard = idle.pop(), waiting.pop(0)
                self.watch.batch(shard.rows)
                busy[worker.make.remote(shard, self._done(shard))] = (worker, shard)
            (ready, *_), _ = self.ray.wait(list(busy), num_returns=1)
            worker, shard = busy.pop(ready)
            try:
                made: Made = self.ray.get(ready)
            except self.ray.exceptions.RayTaskError as error:
                raise _cause(error) from None
            except self.ray.exceptions.RayError as error:
                tries[shard] = tries.get(shard, 0) + 1
                if tries[shard] >= TRIES:
                    raise StoreError(
                        f"{TRIES} workers died of the same part of the run ({shard.rows} rows from "
                        f"{shard.batches[0]}): {str(error).splitlines()[0]}"
                    ) from None
                waiting.insert(0, shard)
                idle.append(self._worker())
                continue
            self._keep(made)
            idle.append(worker)
        self.ray.wait([w.close.remote() for w in idle], num_returns=len(idle), timeout=10)

    def _worker(self) -> Any:
        folder = self.store.artifacts.folder.resolve()
        recipe = self.planned.recipe.as_dict()
        return self.actor.remote(recipe, self.only, self.device, str(folder))

    def _done(self, shard: Shard) -> list[tuple[str, str]]:
        cells = {digest for digest, _ in shard.batches}
        return [(row.cell, row.sample) for row in self.store.rows if row.cell in cells]

    def _keep(self, made: Made) -> None:
        for name, data in made.files.items():
            path = self.store.artifacts.folder / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                files.replace(path, data)
        for model, revision in made.weights.items():
            self.store.pin(model, revision)
        rows = [from_line(line) for line in made.lines]
        self.store.append(rows, made.seconds)
        self.watch.rows(len(rows))


def _drive(ray: Any, driver: _Driver, todo: list[Shard], workers: int, address: str | None) -> None:
    """Runs it on the cluster that is there, or on one that lasts as long."""
    token = driver.store.artifacts.folder / TOKEN
    token.parent.mkdir(parents=True, exist_ok=True)
    files.replace(token, b"")
    started = not ray.is_initialized()
    if started:
        _start(ray, workers, address)
    try:
        driver.run(todo, workers)
    finally:
        token.unlink(missing_ok=True)
        if started:
            ray.shutdown()


def _ray() -> Any:
    # Ray warns of its own plans for this variable on machines without a GPU.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UsageError(
            "the executor ray needs Ray: pip install 'sallet[ray]', or leave --executor out"
        ) from None
    return ray


def _start(ray: Any, workers: int, address: str | None) -> None:
    """Joins the cluster at `address`, or makes one of this machine with a CPU for each worker."""
    threads = {"OMP_NUM_THREADS": "1"} if address is None else {}
    settings: dict[str, Any] = {
        "runtime_env": {
            "env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **threads}
        },
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    if address is None:
        settings |= {"num_cpus": workers, "include_dashboard": False}
    ray.init(address=address, **settings)


def _cause(error: Any) -> BaseException:
    """An error of ours as it was raised; any other one with its first line."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, SalletError):
        return cause
    return StoreError(f"a worker failed: {type(cause or error).__name__}: {cause or error}")
