"""PAN through the real command line: phases given as data, every stage of a run, its record."""

from pathlib import Path

from command_line import SMALL, Cli, record_of


def test_a_run_from_phases_to_record(cli: Cli, tmp_path: Path) -> None:
    done = cli("+method=pan", *SMALL, "output_dir=out", "metrics=core")
    record = record_of(tmp_path / "out")
    assert "7 64px." in done.stderr and "Trained on 56 images" in done.stderr
    assert record["budget"]["images"] == record["budget"]["declared"] == 56
    assert record["cost"]["params"] == 8_200  # the averaged generator's
    assert record["config"]["method"]["noise_seed"] == 0
    assert record["n_images"] == 12
    assert 0 < record["metrics"]["psnr_rgb"]["value"] < 60
