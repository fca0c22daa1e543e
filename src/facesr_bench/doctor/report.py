"""Everything of a report, found out once, and the text and JSON it is printed as."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from facesr_bench.doctor.imports import MODULES, failures
from facesr_bench.doctor.surroundings import (
    Row,
    device_problems,
    folder_problems,
    folder_rows,
    system_rows,
    torch_rows,
    variable_rows,
)
from facesr_bench.doctor.tested import Needed, difference, needed_packages, numbers


@dataclass
class Report:
    """What was found.

    Attributes:
        sections: title to rows.
        problems: sentences: what is wrong and what to do; runs may fail.
        remarks: sentences that explain a failure if there is one.
    """

    sections: dict[str, list[Row]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """The same as plain containers."""
        return asdict(self)

    def as_text(self) -> str:
        """A block that keeps its shape where it is pasted."""
        width = max(len(name) for rows in self.sections.values() for name, _ in rows)
        lines = []
        for title, rows in self.sections.items():
            lines += ["", f"[{title}]", *(f"{name:<{width}}  {text}" for name, text in rows)]
        for title, said in (("remarks", self.remarks), ("problems", self.problems)):
            lines += ["", f"[{title}]", *(said or ["none"])]
        return "\n".join(lines[1:])


def examine() -> Report:
    """Look at everything; imports are tried first, in another process."""
    report = Report()
    report.sections["system"] = list(system_rows())
    packages = needed_packages()
    if not packages:
        report.problems.append(
            "facesr-bench is not installed, only on the path: pip install --editable . tells pip "
            "what it needs."
        )
    broken = failures(["torch", "facesr_bench.torchvision_ops", *_modules(packages)])
    if "torch" not in broken:
        report.sections["devices"] = list(torch_rows())
        report.problems += device_problems()
    report.sections["packages"] = [(one.name, _package_row(one)) for one in packages]
    report.sections["folders"] = list(folder_rows())
    report.sections["environment"] = list(variable_rows()) or [("-", "nothing set")]
    report.problems += [*_package_problems(packages, broken), *folder_problems()]
    report.remarks += _remarks(packages, broken)
    return report


def _modules(packages: Iterable[Needed]) -> list[str]:
    return [
        MODULES.get(one.name, one.name.replace("-", "_"))
        for one in packages
        if one.here is not None and one.name != "torch"
    ]


def _package_row(one: Needed) -> str:
    extra = f" (extra {one.extra})" if one.extra else ""
    if one.here is None:
        return f"not installed{extra}"
    if one.tested is None:
        return f"{one.here}{extra}"
    state = "as tested" if difference(one.name) is None else f"tested: {one.tested}"
    return f"{one.here}, {state}{extra}"


def _package_problems(packages: Sequence[Needed], broken: dict[str, str]) -> list[str]:
    said = []
    for one in packages:
        module = MODULES.get(one.name, one.name.replace("-", "_"))
        if one.here is None:
            if one.extra is None:
                said.append(f"{one.name} is not installed: pip install '{_wanted(one)}'.")
            continue
        if one.bound and numbers(one.here) < numbers(one.bound):
            said.append(
                f"{one.name} {one.here} is older than {one.bound}, the oldest that will do: "
                f"pip install '{_wanted(one)}'."
            )
        if module in broken:
            said.append(
                f"{one.name} {one.here} cannot be imported: {broken[module]}. "
                f"pip install '{_wanted(one)}'"
            )
    if reason := broken.get("facesr_bench.torchvision_ops"):
        said.append(
            f"torchvision cannot be imported beside this PyTorch: {reason}. Install the two "
            "together: pip install torch torchvision"
        )
    return said


def _remarks(packages: Iterable[Needed], broken: dict[str, str]) -> list[str]:
    said = []
    if not {"torch", "facesr_bench.torchvision_ops"} & set(broken):
        from facesr_bench.torchvision_ops import declare_missing_operators

        if declare_missing_operators():
            said.append(
                "torchvision's compiled operators do not load beside this PyTorch. All runs work; "
                "topiq_nr-face, which calls them, does not: install torch and torchvision together."
            )
    names = dict.fromkeys([*(one.name for one in packages), "torchvision"])
    said += [f"{text}." for name in names if (text := difference(name))]
    return said


def _wanted(one: Needed) -> str:
    if one.tested:
        return f"{one.name}=={one.tested}"
    return f"{one.name}>={one.bound}" if one.bound else one.name
