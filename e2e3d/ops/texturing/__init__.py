"""Texturing: which photograph paints which face, where it lies in the atlas, and how its colour fits its neighbours.

The method follows Waechter, Moehrle and Goesele, "Let There Be Color! Large-Scale Texturing of 3D Reconstructions",
ECCV 2014; each module says where it differs.
"""
