"""Statistics, figures, and the HTML report."""

from seedstep.report.write import Report, write_report

__all__ = ["Report", "write_report"]
