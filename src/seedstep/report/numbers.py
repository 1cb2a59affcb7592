"""Numbers as a report shows them.

Example::

    number(52445), number(15.92), number(0.2134), number(None)  # 52,445 15.9 0.213 and nothing
"""

__all__ = ["number"]


def number(value: float | None) -> str:
    """Whole numbers whole, others with three digits, or with all of those before the point."""
    if value is None:
        return ""
    is_whole = value == int(value) or abs(value) >= 100
    return f"{value:,.0f}" if is_whole else f"{value:.3g}"
