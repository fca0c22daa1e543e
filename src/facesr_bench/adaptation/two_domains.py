"""Two data sets as one: trained on the first, adapted and tested on the second."""

from typing import Any

from facesr_bench.data import FaceData, FaceDataset, Role

_TARGET: tuple[Role, ...] = ("val", "test")


class TwoDomains(FaceData):
    """Source and target domain of an adaptation protocol.

    Args:
        source: gives what is trained on.
        target: gives what is tested on.
        exemplar: the target's split that exemplars are drawn from; its people should not be tested on.
    """

    def __init__(self, source: FaceData, target: FaceData, exemplar: Role = "val") -> None:
        self.name = f"{source.name}-to-{target.name}"
        self._source, self._target, self._exemplar = source, target, exemplar

    def split(self, role: Role) -> FaceDataset | None:
        """Open one split of whichever of the two has it."""
        if role == "exemplar":
            return self._target.split(self._exemplar)
        return (self._target if role in _TARGET else self._source).split(role)

    def origin(self, role: Role) -> str:
        """That of whichever has the split."""
        return (self._target if role in (*_TARGET, "exemplar") else self._source).origin(role)

    def provenance(self) -> list[dict[str, Any]]:
        """Of both."""
        return [*self._source.provenance(), *self._target.provenance()]
