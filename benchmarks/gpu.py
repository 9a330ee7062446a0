"""Is the GPU path right, and how fast is it? Two commands: one for any machine, one for a machine with an NVIDIA GPU.

usage: python benchmarks/gpu.py prepare PHOTOS VIEWS.safetensors
       python benchmarks/gpu.py check VIEWS.safetensors OUT [--sizes 1600,3200]

`prepare` reconstructs PHOTOS as far as its cameras, on the CPU, and writes one view with its sources (under 50 MB).
`check` computes that view on both processors, and needs nothing but numpy, scipy, OpenCV, numba, numba-cuda, torch and
safetensors. It prints Markdown and writes OUT/gpu.json. Exit code 1 where the depths differ, 5 without a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # a machine with a card may hold the sources only


def main() -> None:
    """Prepare, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prepare")
    command.add_argument("photos", type=Path)
    command.add_argument("views", type=Path)
    command = commands.add_parser("check")
    command.add_argument("views", type=Path)
    command.add_argument("out", type=Path)
    command.add_argument("--sizes", default="1600,3200")
    arguments = parser.parse_args()
    if arguments.command == "prepare":
        from gpu_views import prepare

        count = len(prepare(arguments.photos, arguments.views).views)
        print(f"{arguments.views}: {count} views, {arguments.views.stat().st_size / 1e6:.0f} MB")
    else:
        check(arguments.views, arguments.out, [int(size) for size in arguments.sizes.split(",")])


def check(file: Path, out: Path, sizes_px: list[int]) -> None:
    """Compare and measure; leave with code 1 where the depths of both processors differ too much."""
    require_card()
    from gpu_measure import compare, compare_matching, describe_card, kernel_occupancy
    from gpu_views import load

    from e2e3d.stages.gpu_comparison import WANTED_SHARE

    out.mkdir(parents=True, exist_ok=True)
    inputs = load(file)
    figures: dict[str, Any] = {"card": describe_card(), "kernels": kernel_occupancy()}
    figures["matching"] = compare_matching(*inputs.descriptors)
    figures["sizes"] = []
    for size in sizes_px:
        figures["sizes"].append(compare(inputs, size))
        print(f"{size} px: {figures['sizes'][-1]}", file=sys.stderr)
    (out / "gpu.json").write_text(json.dumps(figures, indent=1) + "\n")
    print("\n".join(table(figures)))
    if not figures["matching"]["same"]:
        sys.exit("The GPU's matches differ from the CPU's.")
    if any(entry["same_share"] < WANTED_SHARE for entry in figures["sizes"]):
        sys.exit("The GPU's depths differ from the CPU's.")


def require_card() -> None:
    """Leave with code 5 and a clear message where no GPU can be used."""
    from e2e3d.errors import E2E3DError
    from e2e3d.runtime.gpu_devices import gpu_count, require_gpu

    try:
        require_gpu(gpu_count(), "this machine")
        from e2e3d.ops.stereo.gpu_requirements import require_cuda_libraries

        require_cuda_libraries()
    except E2E3DError as error:
        print(f"Error [{error.code}]: {error.message}\n  {error.hint}", file=sys.stderr)
        sys.exit(5)


def table(figures: dict[str, Any]) -> list[str]:
    """Everything as Markdown."""
    card, matching = figures["card"], figures["matching"]
    lines = [
        f"{card['name']}, {card['memory_gb']} GB, {card['bandwidth_gb_s']} GB/s, compute capability "
        f"{card['compute_capability']}; numba-cuda {card['numba_cuda']}; {card['cpu_cores']} CPU cores. All passes of "
        "one view:",
        "",
        "| size | same within 0.1 % (goal 99 %), colours alone | same with or without depth | CPU, all cores "
        "| GPU, alone (on the card) | GPU, views in flight | samples | texels | transfers |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {entry['width']} x {entry['height']} | {100 * entry['same_share']:.2f} %, "
        f"{100 * entry['same_share_photometric']:.2f} % | {100 * entry['same_holes']:.2f} % | {entry['cpu_s']} s "
        f"| {entry['gpu_s']} s ({entry['kernel_s']} s) | {entry['gpu_busy_s']} s | {entry['g_samples_a_second']} G/s "
        f"| {entry['texel_gb_a_second']} GB/s | {entry['transfer_mb']} MB in {entry['transfer_s']} s |"
        for entry in figures["sizes"]
    ]
    lines += ["", f"Compilation of the kernels in a new process: {card['compile_s']} s."]
    lines += [
        f"Kernel {name}: {kernel['registers']} registers, {kernel['local_bytes']} bytes of local memory, "
        f"occupancy {100 * kernel['occupancy']:.0f} %."
        for name, kernel in figures["kernels"].items()
    ]
    lines.append(
        f"Matching {matching['first']} with {matching['second']} descriptors: {1e3 * matching['gpu_s']:.2f} ms on the "
        f"GPU, {1e3 * matching['cpu_s']:.0f} ms on one core, {matching['matches']} matches, "
        f"{'the same' if matching['same'] else 'not the same'}."
    )
    return lines


if __name__ == "__main__":
    main()
