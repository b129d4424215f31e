"""Threads that wait should sleep, not spin: tests share their machine (read when torch loads)."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
