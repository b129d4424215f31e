"""The picture world: scenes with a known truth, questions about them, and a small real VLM.

It is a laboratory: every harmful thing in it is a pictogram and a noun, and no
real instruction exists anywhere in it. Submodules are imported by name, so that
``import sallet.world`` stays light.
"""
