"""``facesr-bench adapt``: a run of ``stage=adapt`` with the group ``adaptation``, in fewer words."""

from collections.abc import Sequence

_HELP = """\
facesr-bench adapt: adapt a method to another domain by a few pairs of it, test, average

  facesr-bench adapt +method=dap_fsr +data=dap_celeba_to_yaleb ckpt=SOURCE/checkpoints/last.ckpt
  facesr-bench adapt +method=scgan +data=tiny_side_light scale=slim adaptation.strategy=direct

Every condition of the target domain by every draw of exemplars is a cell: adapt from the same source
weights, test, record. The record holds the mean over all, and how far draws and conditions lie apart.
The same command with the same output_dir goes on where it stopped; facesr-bench evaluate RUN_DIR scores
all cells again from their images.

keys   adaptation.k=N                  exemplars shown at once (1)
       adaptation.seeds=R              draws of them (10)
       adaptation.conditions=[A,B]     of the target; null for all
       adaptation.strategy=own|none|direct|adain|asm
       adaptation.keep_weights=true    write adapted.ckpt into every cell's folder
       and every key of a run: facesr-bench --help
"""


def main(argv: Sequence[str]) -> int:
    """Run ``facesr_bench`` with the words of the group put before the user's."""
    words = list(argv)
    if not words or set(words) & {"--help", "-h"}:
        print(_HELP)
        return 0
    from facesr_bench.cli import main as front_door

    group = [] if any(w.startswith("+adaptation=") for w in words) else ["+adaptation=one_shot"]
    return front_door([*group, "stage=adapt", *words])


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
