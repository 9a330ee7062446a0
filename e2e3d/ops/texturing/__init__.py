"""Texturing: view selection for every face, the atlas, and colours that match across seams.

The method follows Waechter, Moehrle and Goesele, "Let There Be Color! Large-Scale Texturing of 3D Reconstructions",
ECCV 2014; each module says where it differs.
"""
