"""Who runs which tests, where pytest has several workers."""

from xdist.scheduler import LoadScopeScheduling

FORKING = ("tests/fault_injection/", "tests/simulation/")  # each test takes seconds, and shares no fixture
DEPLOYED = "tests/deployed/"  # all of its tests share one deployment


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Give a worker one file at a time, so that the fixtures of its module are made once."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(FORKING):
            return nodeid
        if nodeid.startswith(DEPLOYED):
            return DEPLOYED
        return nodeid.split("::", 1)[0]
