"""Multi-view PatchMatch stereo: scalar maths once (numba), launched on the CPU or on a GPU."""
