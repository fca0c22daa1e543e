"""Where a row's weights come from, and what they may have seen of what they are measured on."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from facesr_bench.leaderboard.model import Division, Mark
from facesr_bench.leaderboard.protocols import training_of
from facesr_bench.leaderboard.scales import scale_matters
from facesr_bench.weights.registry import Entry, KnownFile, registry

Record = Mapping[str, Any]

ORIGIN_ELSEWHERE = "images from elsewhere"
SMOKE = "smoke budget"
SMOKE_SCALE = "scale=smoke"
_SMOKE_SHARE = 0.1  # of the declared budget: at most this is a smoke budget whatever the scale

_FAMILIES = {
    ("celeba", "celebahq"),
    ("ffhq", "scgan_zip"),
    ("widerface", "scgan_zip"),
    ("ls3dw", "scgan_zip"),
}
"""Sources of which one holds images of the other under other names, so keys cannot tell."""

_NAMED_IN_PROSE = {
    "ffhq": "ffhq",
    "celebahq": "celeba-hq",
    "celeba": "celeba",
    "lsun_cat": "lsun cat",
}
"""A recipe, and the word for it in what a prior of others says of its training data."""


def division(record: Record) -> Division:
    """The division a record competes in."""
    if record["origin"] == ORIGIN_ELSEWHERE:
        return "images from elsewhere"
    if _released(record):
        return "released weights"
    entries = list(record["trained_on"])
    if record["origin"] == "no training needed":
        prior = record.get("prior")
        if not prior:
            return "no training"
        entries = list(prior.get("trained_on") or ())
    here = training_of(str(record["data"]))
    own = all(training_of(str(entry.get("data"))) == here for entry in entries)
    return "protocol data" if entries and own else "open"


def _released(record: Record) -> bool:
    """Whether what super-resolves is a registered file of the method's authors."""
    chosen = ((record.get("config") or {}).get("method") or {}).get("weights")
    files = record["weights"] or ()
    for entry in registry().values():
        if not any(
            use.kind == "method" and use.name == record["method"] for use in entry.needed_by
        ):
            continue
        if chosen == entry.name:
            return True
        if any(_is_file(known, file) for known in entry.files for file in files):
            return True
    if record["origin"] == "no training needed" and record.get("prior"):
        priors = [entry for entry in registry().values() if _feeds_prior(entry)]
        return any(_is_file(k, f) for entry in priors for k in entry.files for f in files)
    return False


def _feeds_prior(entry: Entry) -> bool:
    return any(use.kind == "prior" for use in entry.needed_by)


def _is_file(known: KnownFile, file: Record) -> bool:
    """By sha256 where it is published, else by name: the importer has pinned that one."""
    if file.get("role") not in ("checkpoint", "init", "prior"):
        return False
    if known.sha256 is None:
        return bool(file.get("file") == known.file)
    return str(file.get("sha256")).startswith(known.sha256)


def row_marks(record: Record) -> list[Mark]:
    """What a reader must know of a whole row: budget, overlap, adaptation, verification."""
    return [
        *_budget(record),
        *_training_overlap(record),
        *_prior_overlap(record),
        *_reading(record),
        *_verified(record),
    ]


def _verified(record: Record) -> list[Mark]:
    """What ``facesr-bench verify`` found last."""
    entries = record.get("verified") or []
    if not entries:
        return []
    if entries[-1].get("verdict") == "verified":
        return [Mark("verified", "a part of it was made again, with equal images and scores")]
    why = "made again, images or scores differ from those of the record"
    return [Mark("differs when made again", why, disqualifies=True)]


def is_smoke(record: Record) -> bool:
    """Whether a row shows that code runs and no more: views of papers hide it."""
    return any(mark.text in (SMOKE, SMOKE_SCALE) for mark in _budget(record))


def _budget(record: Record) -> list[Mark]:
    """How much smaller than the paper's it is, each fact once."""
    budget, scale = record.get("budget"), record.get("scale") or "full"
    found = []
    if budget and record["origin"] == "trained here":
        share = budget["images"] / budget["declared"] if budget["declared"] > 0 else 1.0
        if scale == "smoke":
            return [Mark(SMOKE, "scale=smoke: it shows that the code runs")]
        if share <= _SMOKE_SHARE:
            found.append(Mark(SMOKE, "a tenth of its budget or less: it shows that the code runs"))
        elif share < 1:
            found.append(Mark(f"{share:.0%} of its budget", "trained for less than it declares"))
    if record["origin"] != ORIGIN_ELSEWHERE and scale_matters(str(record["method"]), scale):
        what = "networks smaller than" if budget else "settings other than"
        found.append(Mark(f"scale={scale}", f"{what} the paper's"))
    return found


def _training_overlap(record: Record) -> list[Mark]:
    overlap = record.get("test_overlap") or {}
    seen = overlap.get("images")
    if seen:
        text = f"trained on {seen:,} of the test images"
        why = f"{seen:,} of the {record['n_images']:,} test keys were trained on"
        return [Mark(text, why, disqualifies=True)]
    found = []
    for trained, tested in _shared_sources(record):
        same = trained == tested
        text = f"trained on {trained}"
        why = (
            f"the test images are of {tested} too, and nobody knows whether they were trained on"
            if same
            else f"{tested} holds images of {trained} under other names"
        )
        found.append(Mark(text, why, disqualifies=same))
    if not found and division(record) == "open" and overlap.get("known") is False:
        found.append(Mark("training data unknown", "its weights do not say which images they saw"))
    return found


def _shared_sources(record: Record) -> Iterator[tuple[str, str]]:
    """Pairs of a source trained on and one tested on that may hold the same images, keys unknown."""
    known = (record.get("test_overlap") or {}).get("known")
    here = training_of(str(record["data"]))
    tested = {
        str(source["recipe"])
        for source in record.get("data_sources") or ()
        if source.get("recipe") and "test" in (source.get("images") or {})
    }
    # A protocol keeps what it trains on and what it tests apart; another one's training is a question.
    trained = {
        (str(source["recipe"]), training_of(str(entry.get("data"))) == here)
        for entry in record["trained_on"]
        for source in entry.get("sources") or ()
        if source.get("recipe") and set(source.get("images") or ()) & {"train", "train_lr"}
    }
    for a, same_protocol in sorted(trained):
        for b in sorted(tested):
            asked = not known and not same_protocol if a == b else {(a, b), (b, a)} & _FAMILIES
            if asked:
                yield a, b


def _prior_overlap(record: Record) -> list[Mark]:
    """A prior of others that was trained on the set the test images come from."""
    prior = record.get("prior") or {}
    words = " ".join(str(entry.get("data", "")) for entry in prior.get("trained_on") or ()).lower()
    found = []
    for source in record.get("data_sources") or ():
        recipe = str(source.get("recipe"))
        word = _NAMED_IN_PROSE.get(recipe)
        if word and word in words and "test" in (source.get("images") or {}):
            found.append(
                Mark(
                    f"prior saw {recipe}",
                    f"the prior {prior.get('name')} was trained on {words}, the test images among them",
                )
            )
    return found


def _reading(record: Record) -> list[Mark]:
    """Adaptation is a protocol of its own; ASM is our reading of it."""
    adaptation = record.get("adaptation")
    if not adaptation:
        return []
    draws, conditions = (len(adaptation.get(key) or ()) for key in ("seeds", "conditions"))
    found = [
        Mark(
            f"adapted by {adaptation.get('k')}",
            f"mean over {conditions} conditions and {draws} draws of exemplars",
        )
    ]
    if adaptation.get("strategy") == "asm":
        why = "the paper states no setting of ASM; ours is a reading of RAIN (Luo et al. 2020)"
        found.append(Mark("our reading", why))
    if adaptation.get("strategy") == "none":
        found[0] = Mark("source only", found[0].why)
    return found


_NETWORKS = {
    "lpips_vgg": ("vgg16",),
    "lpips_alex": ("lpips_alex", "alexnet", "alex"),
    "lpips_squeeze": ("lpips_squeeze", "squeezenet1_1", "squeeze"),
    "fid": ("fid_inception",),
    "kid": ("fid_inception",),
    "fd_squeezenet": ("squeezenet1_1", "lpips_squeeze"),
}
"""Networks behind a metric, by the names methods give in ``loss_networks``."""

_RECOGNISERS = {
    "arcface": "arcface_irse50",
    "facenet": "facenet_vggface2",
    "mobilefacenet": "mobilefacenet_casia",
    "mobilefacenet_y1": "mobilefacenet_y1",
    "synthface": "synthface_identity",
}


def cell_marks(key: str, record: Record) -> list[Mark]:
    """A metric whose network the method trained with prefers it for that alone."""
    losses = set(record.get("loss_networks") or ())
    name, _, where = key.partition("@")
    networks = set(_NETWORKS.get(re.sub(r"(_jk|_n\d+)$", "", name), ()))
    network = where.rpartition("-")[0] or where
    if network in _RECOGNISERS:
        networks.add(_RECOGNISERS[network])
    shared = sorted(losses & networks)
    if not shared:
        return []
    why = f"{shared[0]} is in its training loss, which this metric rewards"
    return [Mark("‡", why, disqualifies=True)]
