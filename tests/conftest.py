"""One thread a test process: two PyTorch processes with a thread for each core are many times slower than one."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
