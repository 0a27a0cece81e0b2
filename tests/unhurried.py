"""Hypothesis on machines that stall: no example has to be made or tried within a time.

    @unhurried
    @given(...)
    def test_...

Else any example that takes 200 ms fails its test.
"""

from hypothesis import HealthCheck, settings

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
