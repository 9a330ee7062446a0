"""When a delivery that failed is tried again."""

from __future__ import annotations

MAX_ATTEMPTS = 8
_FIRST_S = 5.0
_GROWTH = 5.0
_LONGEST_S = 24 * 3600.0


def retry_delay_s(attempts: int, chance: float, retry_after_s: float | None = None) -> float | None:
    """Seconds until the next attempt after `attempts` have failed; None = give up.

    5 s, 25 s, 2 min, 10 min, 52 min, 4 h, 22 h, each stretched by up to a quarter, so that the messages of one outage
    do not all come back in the same second.

    Args:
        attempts: made so far, at least 1.
        chance: uniform in [0, 1).
        retry_after_s: what the receiver asked for; the delay is at least that, and at most a day.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    delay_s = _FIRST_S * _GROWTH ** (attempts - 1) * (1 + chance / 4)
    return min(max(delay_s, retry_after_s or 0.0), _LONGEST_S)
