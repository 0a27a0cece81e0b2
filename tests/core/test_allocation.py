import subprocess
import sys

import pytest

from shots import source_environment

FAULTS = """
import resource, sys
import numpy as np
from seqmatte import allocation
if sys.argv[1] == "kept":
    assert allocation.keep_freed()
np.ones(6 << 20, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(6 << 20, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    command = [sys.executable, "-c", FAULTS, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=source_environment())
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is asked")
def test_a_frames_pictures_are_laid_where_the_last_frames_were():
    # 24 MiB anew are some 6000 pages, or a dozen large ones.
    assert faults("kept") < faults("as it is") / 4
