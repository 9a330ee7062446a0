"""The figures of bench.py as Markdown, beside the goals and the peers' figures on the same two cores."""

from __future__ import annotations

from typing import Any

from confidence import table as confidence_table

CPP_AVX512_M_SAMPLES_A_SECOND = 450
WORKER_START_S = 2.0


def markdown(figures: dict[str, Any]) -> str:
    """All tables."""
    return "\n".join((reconstruction(figures), confidence(figures), stereo_kernels(figures)))


def reconstruction(figures: dict[str, Any]) -> str:
    """Cost and quality of the two sets, with where the figures come from."""
    fountain = figures["fountain"]
    lines = [
        f"Commit {figures['commit']}, {figures['date']}, {figures['machine']}; the benchmark took "
        f"{figures['benchmark_s'] / 60:.1f} min. E = {fountain['E_s']} CPU seconds.",
        "",
        "| fountain (11 photographs), depth size 768 | OpenMVS 2.3 | goal | E2E3D |",
        "|---|---|---|---|",
        *map(_line, _fountain_rows(fountain)),
        *map(_line, _twin_rows(figures["twin"])),
        "",
        "CPU by stage, in E: " + ", ".join(f"{name} {cost:.2f}" for name, cost in fountain["stages_E"].items()) + ".",
        "",
    ]
    return "\n".join(lines)


def confidence(figures: dict[str, Any]) -> str:
    """Precision of the twin's cloud by confidence."""
    head = "Precision of the twin's cloud by confidence, a tenth of the points each:"
    return "\n".join((head, "", *confidence_table(figures["twin"]["confidence"]), ""))


def stereo_kernels(figures: dict[str, Any]) -> str:
    """Speed of the kernels on one core."""
    head = ("| stereo kernels, one core | C++, AVX-512 | goal | E2E3D |", "|---|---|---|---|")
    return "\n".join((*head, *map(_line, _kernel_rows(figures["kernels"])), ""))


def _fountain_rows(f: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    scores, held_out = f["scores"]["rephotography"], f["held_out"]["held_out"]
    used = f["held_out"]["rephotography"]
    cameras = f["scores"]["cameras"]
    return [
        ("depth maps and fusion", "13.8 E", "≤ 3.5 E", f"{f['dense_E']:.2f} E"),
        (f"mesh ({f['mesh_fine_faces']:,} faces)", "2.4 E", "≤ 1.2 E", f"{f['mesh_fine_E']:.2f} E"),
        (f"texture ({f['texture_faces']:,} faces, 4096 atlas)", "2.0 E", "≤ 1 E", f"{f['texture_E']:.2f} E"),
        ("whole run, features to GLB", "20.4 E", "≤ 7 E", f"{f['cpu_E']:.2f} E ({f['cpu_s']:.0f} s)"),
        ("wall clock of the whole run", "350 s", "≤ 140 s", f"{f['wall_s']:.0f} s"),
        ("peak memory (PSS), all processes", "1.4 GB", "≤ 3 GB", f"{f['peak_pss_gb']:.2f} GB"),
        ("rephotography, all views", "0.776 (0.872 x 0.888)", "≥ 0.80", _rephotography(scores)),
        ("the same, every fourth view left out", "", "", _rephotography(held_out)),
        ("... as a share of the score on used views", "", "≥ 0.95", f"{held_out['score'] / used['score']:.3f}"),
        ("camera position error, median", "6.4 mm", "≤ 6.5 mm", f"{1e3 * cameras['position_median']:.2f} mm"),
    ]


def _twin_rows(t: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    faces, fine = f"{t['mesh_faces']:,} faces", f"{t['fine']['faces']:,} faces"
    return [
        ("twin, `dense.ply`: F-score at 2 / 4 pixels", "0.859 / 0.950", "≥ 0.885 / 0.962", _f(t["scores"]["cloud"])),
        (f"twin, mesh of {fine}, 3 M samples", "0.823 / 0.928", "≥ 0.87 / 0.955", _f(t["fine"]["mesh"])),
        (f"twin, mesh of {faces}, 3 M samples", "", "", _f(t["scores"]["mesh"])),
    ]


def _kernel_rows(k: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    peer = f"{CPP_AVX512_M_SAMPLES_A_SECOND} M/s"
    return [
        ("innermost correlation", peer, "", f"{k['inner_m_samples_a_second']:.0f} M/s"),
        *(
            (f"whole {name} pass", peer, "", f"{k[f'{name}_m_samples_a_second']:.0f} M/s")
            for name in ("photometric", "consistency")
        ),
        *(
            (
                f"{name}: evaluations, CPU a pixel",
                "",
                "",
                f"{k[f'{name}_evaluations_a_pixel']:.0f}, {k[f'{name}_cpu_us_a_pixel']:.1f} µs",
            )
            for name in ("photometric", "consistency")
        ),
        ("start of a worker, CPU", "", f"< {WORKER_START_S:g} s", f"{k['worker_cpu_s']:.2f} s"),
        ("start of a worker, wall", "", f"< {WORKER_START_S:g} s", f"{k['worker_wall_s']:.2f} s"),
    ]


def _rephotography(score: dict[str, float]) -> str:
    return f"{score['score']:.3f} ({score['coverage']:.3f} x {score['ncc']:.3f}; {score['views']} views)"


def _f(scores: list[dict[str, float]]) -> str:
    at = {score["threshold"]: score["f_score"] for score in scores}
    return f"{at[2.0]:.3f} / {at[4.0]:.3f}"


def _line(row: tuple[str, str, str, str]) -> str:
    return f"| {' | '.join(row)} |"
