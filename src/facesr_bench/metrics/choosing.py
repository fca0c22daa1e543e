"""Choosing measures by name outside a Hydra run: groups (``core``) and single labels (``niqe``)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facesr_bench.errors import UsageError


def compose_metrics(
    words: Sequence[str],
    config_dirs: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The ``metrics`` configuration that holds every measure named.

    Args:
        words: names of files in ``conf/metrics/`` (all their measures) or ``conf/measure/``.
        config_dirs: further configuration folders.
        data: the ``data`` group of the run these are for: what measures take from it (the reference
            set of distances, the list of ``paper``).

    Returns:
        Plain containers, as :meth:`MetricSuite.from_config` takes them.

    Raises:
        UsageError: a word that is neither; the message lists what there is.
    """
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf, open_dict

    groups, labels = (_choices(group, config_dirs) for group in ("metrics", "measure"))
    if not (data or {}).get("paper_metrics"):
        groups -= {"paper"}  # its list is the data's
    unknown = [word for word in words if word not in groups | labels]
    if unknown:
        raise UsageError(
            f"There is no metric {unknown[0]!r}. Groups: {', '.join(sorted(groups))}; "
            f"single ones: {', '.join(sorted(labels))}."
        )
    wanted: dict[str, Any] = {}
    GlobalHydra.instance().clear()
    search = [f"hydra.searchpath=[{','.join(f'file://{Path(d).absolute()}' for d in config_dirs)}]"]
    with initialize_config_module("facesr_bench.conf", version_base="1.3"):
        for word in words:
            kind = (
                f"metrics={word}" if word in groups else f"+measure@metrics.measures.{word}={word}"
            )
            overrides = [*search[: len(config_dirs)], kind]
            if word not in groups:
                overrides.append("metrics=none")
            config = compose("config", overrides)
            if data is not None:
                with open_dict(config):
                    config.data = dict(data)
            content: Any = OmegaConf.to_container(config.metrics, resolve=True)
            only = content.pop("only", None)
            chosen = {k: v for k, v in content["measures"].items() if only is None or k in only}
            measures = {**wanted.get("measures", {}), **chosen}
            wanted = {**content, "measures": measures}
    return {**wanted, "only": None, "name": "+".join(words)}


def _choices(group: str, config_dirs: Sequence[str]) -> set[str]:
    from facesr_bench.cli import choices

    return set(choices(group, config_dirs))
