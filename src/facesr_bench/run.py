"""The story of one run: fit, super-resolve the test split, score it, record it."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facesr_bench import torchvision_ops  # noqa: F401  isort: skip  (before Lightning, see there)
import pytorch_lightning as pl
import torch
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from facesr_bench.attempt import drop_attempt, read_findings
from facesr_bench.config import (
    OUTPUT_DIR_VARIABLE,
    WITHOUT_DATA,
    build_data,
    build_method,
    choose_output_dir,
    instantiate,
    plain,
)
from facesr_bench.console import print_rich, result_table, start_logging
from facesr_bench.cost import Cost, measure_cost
from facesr_bench.datamodule import FaceSRDataModule
from facesr_bench.errors import (
    ConfigError,
    DiskFull,
    MissingRequirement,
    RunInterrupted,
    WorkerDied,
)
from facesr_bench.grid import write_grid
from facesr_bench.image_attributes import write_attributes
from facesr_bench.images import sweep_temporaries, to_float, write_atomically
from facesr_bench.interrupts import Interrupts
from facesr_bench.method import Method
from facesr_bench.metrics.base import Expected
from facesr_bench.metrics.scores import write_per_image
from facesr_bench.metrics.suite import MetricSuite
from facesr_bench.ranks import check_shared_folder, is_first_process
from facesr_bench.record import Outcome, make_record
from facesr_bench.results import now, write_record
from facesr_bench.resuming import how_to_resume
from facesr_bench.save_times import SaveTimes
from facesr_bench.scoring import score_batches, super_resolve_test_set
from facesr_bench.side_outputs import SideStores, chosen_sides
from facesr_bench.side_scores import joined, score_sides
from facesr_bench.starting_weights import StartingWeights, load_starting_weights
from facesr_bench.store import SRStore
from facesr_bench.training import Fitted, fit
from facesr_bench.wandb_logger import showing
from facesr_bench.weights.loading import locate

log = logging.getLogger(__name__)


def run(config: DictConfig, overrides: Sequence[str], sweep_number: int | None = None) -> Path:
    """Carry out one composed configuration.

    Args:
        config: the root configuration.
        overrides: the command line's overrides, to print the command that resumes.
        sweep_number: number of the job in a multirun.

    Returns:
        The output folder. It holds ``result.json`` unless the stage was "fit".

    Raises:
        FaceSRError: with a sentence for the user.
    """
    environment = dict(os.environ)
    first = is_first_process()
    if OUTPUT_DIR_VARIABLE not in os.environ:
        check_shared_folder(config.output_dir)
    output_dir = _output_dir(config, sweep_number)
    os.environ[OUTPUT_DIR_VARIABLE] = str(output_dir)  # for the processes DDP starts
    OmegaConf.register_new_resolver("run_dir", lambda: str(output_dir), replace=True)
    settings = plain(config)
    lock = FileLock(output_dir / ".lock")
    interrupts = Interrupts()
    try:
        if first:
            _open_output_dir(output_dir, lock, settings)
        start_logging(
            output_dir / "run.log" if first else None,
            logging.INFO if first else logging.ERROR,
        )
        with interrupts.listening():
            _run(settings, output_dir, first, interrupts)
    except (RunInterrupted, DiskFull, WorkerDied) as error:
        raise type(error)(f"{error}{how_to_resume(overrides, output_dir)}") from error
    finally:
        lock.release(force=True)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        os.environ.clear()  # Lightning leaves LOCAL_RANK and the like behind; a sweep goes on
        os.environ.update(environment)
    return output_dir


def _run(settings: dict[str, Any], output_dir: Path, first: bool, interrupts: Interrupts) -> None:
    started, clock = now(), time.perf_counter()
    pl.seed_everything(settings["seed"], workers=True, verbose=False)
    if settings["stage"] == "predict":
        from facesr_bench.predict.running import predict

        predict(settings, output_dir)
        return
    if settings["stage"] == "export":
        from facesr_bench.graph_export import run_export

        run_export(settings, output_dir)
        return
    data = build_data(settings["data"])
    method, suite = _preflight(settings, data)
    adapting = settings["stage"] == "adapt"
    if settings["stage"] in ("test", "adapt") and not method.restores:
        raise ConfigError(
            f"{settings['method']['name']} does not super-resolve, so there is nothing to test; train "
            "it with stage=fit and give what it learnt to a method that uses it."
        )
    if settings["stage"] in ("fit_test", "test") and method.restores:
        data.source.check_test(data.hr_size, data.lr_size)
    method.check_sizes((data.lr_size, data.lr_size), (data.hr_size, data.hr_size))
    method.sides_wanted = chosen_sides(settings["side_outputs"], method)
    if adapting and method.sides_wanted:
        raise ConfigError("stage=adapt keeps no side outputs; leave side_outputs=null.")
    # Adaptation starts from weights as a test does: ckpt= is what is adapted, nothing is resumed.
    weights = load_starting_weights(method, {**settings, "stage": "test"} if adapting else settings)
    log.info(
        "%s on %s, scale=%s -> %s", _label(settings), data.test_name, settings["scale"], output_dir
    )
    if adapting:
        from facesr_bench.adaptation.running import run_protocol

        run_protocol(settings, output_dir, data, method, weights)
        return
    loggers = [instantiate(settings["logger"], "the logger")] if settings["logger"] else []
    with showing(loggers, settings) as watched:
        fitted = _fit(settings, output_dir, method, data, weights, loggers, interrupts)
        if fitted is not None:
            weights = StartingWeights("trained here", weights.files, weights.resume_from)
        if settings["stage"] == "fit" or not method.restores:
            return
        began = (started, clock)
        record = _test(settings, output_dir, first, method, data, suite, weights, fitted, began)
        if record is not None:
            for logger in watched:
                logger.log_record(record, output_dir)


def _fit(
    settings: dict[str, Any],
    output_dir: Path,
    method: Method,
    data: FaceSRDataModule,
    weights: StartingWeights,
    loggers: list[Any],
    interrupts: Interrupts,
) -> Fitted | None:
    """Train, if this stage and this method do."""
    if settings["stage"] == "test" or not method.trainable:
        return None
    budget = method.make_budget(settings["method"]["budget"], settings["images"])
    fitted = fit(
        method, data, budget, settings["trainer"], loggers, output_dir, settings["seed"],
        interrupts, weights.resume_from, settings["log_every"], settings["preview_every"],
        _hint(settings), SaveTimes(settings["save_minutes"]), settings.get("keep_epochs") or (),
    )  # fmt: skip
    if fitted.interrupted:
        raise RunInterrupted(f"Stopped after {fitted.images_seen} images; the state is saved.")
    if fitted.seconds:
        log.info("Trained on %d images in %.0f s.", fitted.images_seen, fitted.seconds)
    return fitted


def _preflight(settings: Mapping[str, Any], data: FaceSRDataModule) -> tuple[Method, MetricSuite]:
    """The method and the metrics; whatever weights and packages either lacks is told at once, now."""
    missing: list[str] = []
    method: Method | None = None
    try:
        method = build_method(settings["method"])
    except MissingRequirement as error:
        missing.append(f"method {settings['method']['name']}: {error}")
    for name in () if method is None else method.needs_weights:
        try:
            locate(name)
        except MissingRequirement as error:
            missing.append(f"method {settings['method']['name']}: {error}")
    tests = settings["stage"] != "fit" and (method is None or method.restores)
    try:
        suite = MetricSuite.from_config(
            settings["metrics"] if tests else {**settings["metrics"], "measures": {}, "only": None},
            set_name=f"{data.test_name}-test",
            downsample=data.downsample,
            operator=data.degradation.settings(),
        )
    except MissingRequirement as error:
        missing.append(str(error))
    if missing or method is None:
        raise MissingRequirement("\n".join(missing))
    return method, suite


def _test(
    settings: Mapping[str, Any],
    output_dir: Path,
    first: bool,
    method: Method,
    data: FaceSRDataModule,
    suite: MetricSuite,
    weights: StartingWeights,
    fitted: Fitted | None,
    began: tuple[str, float],
) -> dict[str, Any] | None:
    """Super-resolve, score, draw, measure the cost, and write the record last; only rank 0 has one."""
    test_set, store = data.test_set, SRStore(output_dir / "sr")
    method.begin_test(test_set.keys, (data.hr_size, data.hr_size))
    sides = SideStores(output_dir, method.sides_wanted)
    made = super_resolve_test_set(method, data, store, settings, sides)
    trainer, findings = made.trainer, read_findings(store, test_set.keys)
    positions = range(trainer.global_rank, len(test_set), trainer.world_size)
    device = trainer.strategy.root_device
    scores = suite.to(device).score(
        score_batches(test_set, store, positions, data.test_batch_size),
        Expected(len(test_set), test_set.hr_hash),
    )
    if sides.stores:
        of_sides, _ = score_sides(
            sides, data, settings["metrics"], positions, data.test_batch_size, device
        )
        scores = joined(scores, of_sides)
    suite.to(torch.device("cpu"))  # or the method's peak memory would count the metrics' networks
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if not first:
        return None
    cost: Cost | None = None
    if method.computes:
        batch = data.test_batches(batch_size=made.batch_size)[:1]
        inputs = next(iter(data.test_loader(batch)))["lr"].to(device)
        cost = measure_cost(
            method.to(device), to_float(inputs), seconds=float(settings["cost_seconds"])
        )
        cost = replace(cost, **made.timing())
    grid = output_dir / "images" / "grid.png"
    write_grid(grid, test_set, store, _label(settings), sides.stores)
    people = dict(zip(test_set.keys, test_set.identities, strict=True))
    write_per_image(output_dir / "per_image.csv", findings | scores.per_image, people)
    write_attributes(
        output_dir / "attributes.csv", test_set.keys, test_set.domains, test_set.attributes
    )
    digest = store.hash(test_set.keys)
    outcome = Outcome(
        method, data, scores, cost, weights, fitted, digest, findings, sides.facts(test_set)
    )
    record = make_record(settings, outcome, device.type, began[0], time.perf_counter() - began[1])
    for key, reason in {**scores.skipped, **scores.failed}.items():
        log.warning("No %s: %s", key, reason)
    size = store.size_bytes(test_set.keys)
    write_record(output_dir / "result.json", record)
    if settings["keep_sr"]:
        log.info("SR images: %s (%.1f MB)", store.root, size / 1e6)
    else:  # only now: without a record they would have to be made again
        drop_attempt(store)
        store.drop(test_set.keys)
        sides.drop(test_set.keys)
    print_rich([result_table(record)])
    log.info("Picture: %s\nRecord:  %s", grid, output_dir / "result.json")
    return record


def _hint(settings: Mapping[str, Any]) -> str | None:
    """What to propose when the paper's size is to be trained on a CPU."""
    accelerator = settings["trainer"].get("accelerator", "auto")
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available())
    if settings["scale"] != "full" or not on_cpu:
        return None
    return "scale=slim trains in minutes, scale=smoke in seconds; a GPU needs trainer=gpu."


def _label(settings: Mapping[str, Any]) -> str:
    return str(settings["label"] or settings["method"]["name"])


def _output_dir(config: DictConfig, sweep_number: int | None) -> Path:
    names = {
        "output_dir": config.output_dir,
        "method": {"name": config.method.name},
        "data": {"name": config.data.name},
    }
    return choose_output_dir(names, sweep_number).absolute()


def _open_output_dir(output_dir: Path, lock: FileLock, settings: dict[str, Any]) -> None:
    if (output_dir / "result.json").exists():
        raise ConfigError(
            f"{output_dir} already holds a finished run (result.json). Choose another output_dir, or "
            "delete that one."
        )
    checkpoint = output_dir / "checkpoints" / "last.ckpt"
    trains = settings["stage"] in ("fit", "fit_test")
    if trains and checkpoint.exists() and not settings["ckpt"]:
        raise ConfigError(
            f"{output_dir} holds the checkpoint of an earlier run, which training anew would "
            f"overwrite. To go on from it add ckpt={checkpoint}; or choose another output_dir."
        )
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"Another run is writing to {output_dir}. Choose another output_dir, or wait for it."
        ) from None
    except OSError as error:
        raise ConfigError(f"Cannot write to output_dir {output_dir}: {error}.") from error
    if settings["stage"] in WITHOUT_DATA:  # config.yaml would make the user's folder a run
        return
    for folder in (output_dir, output_dir / "checkpoints", output_dir / "images"):
        sweep_temporaries(folder)
    text = OmegaConf.to_yaml(OmegaConf.create(settings))
    write_atomically(output_dir / "config.yaml", text.encode())
