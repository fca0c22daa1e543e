"""What ``scale=`` changes of a method, as its YAML in the package says; tables never import it."""

import re
from functools import cache
from importlib.resources import files


@cache
def scale_matters(method: str, scale: str) -> bool:
    """Whether a method is another one at a scale than at the paper's size.

    Bicubic is the same at every scale; a method that is not of this package may not be.

    Args:
        method: its name, as in records.
        scale: "full", "slim" or "smoke".
    """
    if scale == "full":
        return False
    path = files("facesr_bench.conf") / "method" / f"{method}.yaml"
    if not method.isidentifier() or not path.is_file():
        return True
    said = re.findall(r"scale_of:\{(.*?)\}", path.read_text(encoding="utf-8"))
    return any(re.search(rf"(?:^|[\s,]){re.escape(scale)}:", choices) for choices in said)
