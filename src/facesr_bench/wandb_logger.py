"""``logger=wandb``: what a run shows on Weights & Biases, and that it can never stop the run.

Every call to W&B goes through one guard: whatever it raises is told once, and the run goes on.
The record stays the truth; W&B holds a copy of it, from which ``leaderboard --wandb`` makes tables.
"""

import json
import logging
import netrc
import os
import secrets
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from facesr_bench.errors import first_line
from facesr_bench.images import write_atomically
from facesr_bench.leaderboard.wandb_source import RECORD

log = logging.getLogger(__name__)

STEP = "images_seen"
"""The axis of all curves."""

HOSTS = {"api.wandb.ai", "api.forge.coreweave.com"}
"""Where an account may be, under the old and the new name."""
GRACE = 10.0
"""Seconds more than W&B's own limit that its end may take before it is left alone."""


class WandbLogger(Logger):
    """A Lightning logger that also takes the run's configuration, pictures and record.

    Args:
        save_dir: the run's output folder; offline data lie in ``wandb/`` below it.
        project: W&B project.
        entity: user or team; None is the account's default.
        name: of the run; None lets W&B choose.
        mode: "online", "offline", "disabled", or None: what ``WANDB_MODE`` says, else online where
            there is an API key, else offline.
        log_model: upload ``checkpoints/last.ckpt`` as an artifact when the record is written.
        finish_timeout: seconds the end of a run waits for uploads; what is left can be synced later.
        tags: of the run.
    """

    def __init__(
        self,
        save_dir: str,
        project: str = "facesr-bench",
        entity: str | None = None,
        name: str | None = None,
        mode: str | None = None,
        log_model: bool = False,
        finish_timeout: float = 120.0,
        tags: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._folder, self._log_model = Path(save_dir), log_model
        self._timeout = finish_timeout
        self._init: dict[str, Any] = {
            "project": project,
            "entity": entity,
            "name": name,
            "tags": list(tags),
        }
        self._mode: Any = (
            mode or os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
        )
        self._config: dict[str, Any] = {}
        self._run: Any = None
        self._given_up = False
        self._told: set[str] = set()

    @property
    def name(self) -> str:
        """Lightning asks for it."""
        return "wandb"

    @property
    def version(self) -> int:
        """Likewise."""
        return 0

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the resolved configuration; W&B gets it when the run is opened."""
        self._config = dict(params)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Losses, against images seen."""
        self._guarded("a loss", lambda run: run.log({**metrics, STEP: step}))

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[Any], step: int | None = None) -> None:
        """Pictures of how training stands: uint8 (H, W, 3) arrays, or files."""

        def send(run: Any) -> None:
            import wandb

            shown = [wandb.Image(str(i) if isinstance(i, Path) else i) for i in images]
            run.log({key: shown} | ({} if step is None else {STEP: step}))

        self._guarded("a picture", send)

    @rank_zero_only
    def log_record(self, record: Mapping[str, Any], output_dir: Path) -> None:
        """A finished run: record, values by stable keys, table of images, grid, checkpoint."""
        prefix = f"test/{record['data']}"
        values = {f"{prefix}/{key}": m["value"] for key, m in record["metrics"].items()}
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)

        def summarise(run: Any) -> None:
            from facesr_bench.leaderboard.run_tables import run_tables

            row = run_tables([(output_dir, record)])[0].rows[0]
            judged = {
                "origin": record["origin"],
                "division": row.division,
                "status": row.status.name if row.status else None,
                "marks": "; ".join(mark.text for mark in row.marks),
            }
            run.summary.update({**values, RECORD: text, **judged})

        self._guarded("the record", summarise)
        self._guarded("the table of images", lambda run: _log_table(run, prefix, output_dir))
        grid = output_dir / "images" / "grid.png"
        if grid.is_file():
            self.log_image("grid", [grid])
        checkpoint = output_dir / "checkpoints" / "last.ckpt"
        if self._log_model and checkpoint.is_file():
            self._guarded("the checkpoint", lambda run: _log_checkpoint(run, record, checkpoint))

    @rank_zero_only
    def close(self, failed: bool = False) -> None:
        """End the W&B run; waits for uploads no longer than ``finish_timeout``."""
        if self._run is None:
            return
        run, self._run = self._run, None
        self._given_up = True

        def finish() -> None:
            try:
                run.finish(exit_code=1 if failed else 0)
            except BaseException as error:
                self._tell("the end of the run", error)

        # In a thread of its own: a service that hangs must not hold the run.
        thread = threading.Thread(target=finish, daemon=True)
        thread.start()
        thread.join(self._timeout + GRACE)
        if thread.is_alive():
            log.warning("W&B does not answer; go on without it. Later: wandb sync %s/wandb/*run-*",
                        self._folder)  # fmt: skip

    def _guarded(self, what: str, send: Callable[[Any], object]) -> None:
        try:
            run = self._opened()
            if run is not None:
                send(run)
        except Exception as error:
            self._tell(what, error)

    def _opened(self) -> Any:
        if self._run is None and not self._given_up:
            self._given_up = True  # unless what follows succeeds
            if self._mode == "offline":  # offline is offline: its own error reports go nowhere, too
                os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
            import wandb

            settings = wandb.Settings(
                silent=True, console="off", init_timeout=180, finish_timeout=self._timeout
            )
            self._folder.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                **self._init, dir=str(self._folder), id=self._run_id(),
                resume="allow", mode=self._mode, config=self._config, settings=settings,
                reinit="create_new",
            )  # fmt: skip
            self._run.define_metric(STEP)
            self._run.define_metric("*", step_metric=STEP)
            self._given_up = False
            log.info("W&B (%s): %s", self._mode, self._run.url or self._run.dir)
        return self._run

    def _run_id(self) -> str:
        """One id for an output folder, so that a resumed run goes on in the same curves."""
        path = self._folder / "wandb_id.txt"
        if not path.is_file():
            write_atomically(path, secrets.token_hex(4).encode())
        return path.read_text().strip()

    def _tell(self, what: str, error: BaseException) -> None:
        """Each kind of fault once; a run has thousands of losses."""
        kind = f"{what}: {type(error).__name__}"
        if kind not in self._told:
            self._told.add(kind)
            log.warning(
                "W&B did not take %s (%s: %s). The run goes on; its record and files are whole.",
                what, type(error).__name__, first_line(error),
            )  # fmt: skip


@contextmanager
def showing(loggers: Sequence[Any], settings: Mapping[str, Any]) -> Iterator[list["WandbLogger"]]:
    """Those loggers that show a run to others: told what runs, and closed however it ends."""
    watched = [logger for logger in loggers if isinstance(logger, WandbLogger)]
    for logger in watched:
        logger.log_hyperparams(settings)
    failed = True
    try:
        yield watched
        failed = False
    finally:
        for logger in watched:
            logger.close(failed)


def _has_key() -> bool:
    """Whether somebody has logged in here; asking W&B itself may open a prompt."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    own = urllib.parse.urlparse(os.environ.get("WANDB_BASE_URL", "")).hostname
    hosts = {own} if own else HOSTS
    for path in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        try:
            if path and hosts & netrc.netrc(Path(path).expanduser()).hosts.keys():
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _log_table(run: Any, prefix: str, output_dir: Path) -> None:
    import wandb

    from facesr_bench.metrics.scores import read_per_image

    path = output_dir / "per_image.csv"
    if not path.is_file():
        return
    columns = read_per_image(path)
    keys = sorted({key for column in columns.values() for key in column})
    rows = [[key, *(column.get(key) for column in columns.values())] for key in keys]
    run.log({f"{prefix}/per_image": wandb.Table(columns=["key", *columns], data=rows)})


def _log_checkpoint(run: Any, record: Mapping[str, Any], checkpoint: Path) -> None:
    import wandb

    facts = {key: record[key] for key in ("method", "scale", "origin", "trained_on", "protocol")}
    artifact = wandb.Artifact(f"{record['method']}-{run.id}", type="model", metadata=facts)
    artifact.add_file(str(checkpoint))
    run.log_artifact(artifact, aliases=["last"])
